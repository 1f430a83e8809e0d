/** What ends a training from outside, with the exit status that shells give a process which it ended. */
const STATUS = { SIGINT: 130, SIGTERM: 143 } as const;
type Stop = keyof typeof STATUS;

/**
 * Runs some work that stops when the process is told to: the first SIGINT or SIGTERM aborts the signal, a second one ends
 * the process at once, as without this.
 *
 * @returns what the work gives, and the exit status that the signal asks for, if there was one
 */
export async function untilStopped<T>(
  work: (signal: AbortSignal) => Promise<T>,
): Promise<{ readonly result: T; readonly stopStatus?: number }> {
  const control = new AbortController();
  let stopStatus: number | undefined;
  const stop = (name: Stop): void => {
    stopStatus = STATUS[name];
    forget();
    console.log(`${name}: stopping when the step in flight ends`);
    control.abort();
  };
  const forget = (): void => {
    for (const name of Object.keys(STATUS) as Stop[]) process.off(name, stop);
  };
  for (const name of Object.keys(STATUS) as Stop[]) process.on(name, stop);
  try {
    return { result: await work(control.signal), stopStatus };
  } finally {
    forget();
  }
}
