import type { Outcome } from "./outcome";

/** Reasons by file and full name of a case. */
type Cases = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** What the backend cannot do yet. The list is checked: what it names and what passes nevertheless is a failure. */
export interface ToCome {
  /** Kernels that are not registered: cases that fail for want of one are excused. */
  readonly kernels: readonly string[];
  /** Single cases, by file and full name, with the reason. */
  readonly cases: Cases;
  /** Cases that would pass if they were given minutes: they are not run. */
  readonly tooLong: Cases;
}

export interface Verdict {
  readonly passed: number;
  readonly skipped: number;
  /** Each failure as `file: case`, and its messages. */
  readonly failures: readonly { readonly title: string; readonly messages: readonly string[] }[];
}

/**
 * Counts the outcomes of a run. Excused failures are counted as skipped, as are cases that were not run.
 * @param complete whether the whole suite ran: only then does a kernel that no case wants show that the list is out of date.
 */
export function judge(outcomes: readonly Outcome[], toCome: ToCome, complete: boolean): Verdict {
  const failures: { title: string; messages: readonly string[] }[] = [];
  const wanted = new Set<string>();
  const met = new Set<string>();
  let [passed, skipped] = [0, 0];
  for (const { file, name, status, messages } of outcomes) {
    const title = `${file}: ${name}`;
    const listed = Object.hasOwn(toCome.cases[file] ?? {}, name);
    const kernels = toCome.kernels.filter((kernel) => messages.some((message) => lacks(message, kernel)));
    for (const kernel of kernels) wanted.add(kernel);
    if (listed) met.add(title);
    if (status === "passed" && listed)
      failures.push({ title, messages: ["passes, though it is on the list of what is to come"] });
    else if (status === "passed") passed++;
    else if (status === "pending" || listed || kernels.length > 0) skipped++;
    else failures.push({ title, messages });
  }
  if (complete) {
    for (const kernel of toCome.kernels)
      if (!wanted.has(kernel))
        failures.push({ title: kernel, messages: ["no case wants this kernel of the list of what is to come"] });
    for (const [file, cases] of Object.entries(toCome.cases))
      for (const name of Object.keys(cases))
        if (!met.has(`${file}: ${name}`))
          failures.push({
            title: `${file}: ${name}`,
            messages: ["is on the list of what is to come, and is no case of the suite"],
          });
  }
  return { passed, skipped, failures };
}

const lacks = (message: string, kernel: string): boolean =>
  message.includes(`Kernel '${kernel}' not registered for backend`);
