/** What ends a training from outside, with the exit status that shells give a process which it ended. */
const STATUS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
type Stop = keyof typeof STATUS;

/** A key pressed in a terminal reaches the process once from there, and once more from a program that started it: within this time, it is one. */
const ONE_PRESS_MS = 500;
const PARENT_POLL_MS = 500;

export interface StopOptions {
  /** The process that started this one, as long as it runs. */
  readonly parentId?: () => number;
  readonly env?: NodeJS.ProcessEnv;
}

/**
 * Runs some work that stops when the process is told to: the first SIGINT, SIGTERM or SIGHUP aborts the signal, another one ends
 * the process at once, as without this. Where npm's shell or the program `lory` started the process, their end is a SIGTERM: a shell
 * passes no signal on, and a program that is killed cannot.
 *
 * @returns what the work gives, and the exit status that the signal asks for, if there was one
 */
export async function untilStopped<T>(
  work: (signal: AbortSignal) => Promise<T>,
  { parentId = () => process.ppid, env = process.env }: StopOptions = {},
): Promise<{ readonly result: T; readonly stopStatus?: number }> {
  const control = new AbortController();
  const names = Object.keys(STATUS) as Stop[];
  let stopStatus: number | undefined;
  let onePress: NodeJS.Timeout | undefined;
  const stop = (name: Stop): void => {
    if (stopStatus !== undefined) return;
    stopStatus = STATUS[name];
    clearInterval(watch);
    onePress = setTimeout(forget, ONE_PRESS_MS).unref();
    control.abort();
    console.log(`${name}: stopping when the step in flight ends`);
  };
  const forget = (): void => {
    for (const name of names) process.off(name, stop);
  };
  const parent = parentId();
  const isWatched = env.npm_command !== undefined || env.LORY_STARTED_BY === String(parent);
  const watch = isWatched
    ? setInterval(() => void (parentId() !== parent && stop("SIGTERM")), PARENT_POLL_MS).unref()
    : undefined;
  for (const name of names) process.on(name, stop);
  try {
    return { result: await work(control.signal), stopStatus };
  } finally {
    clearInterval(watch);
    clearTimeout(onePress);
    forget();
  }
}
