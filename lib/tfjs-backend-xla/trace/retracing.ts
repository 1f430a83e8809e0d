import { staticText } from "./static";
import { leavesOf } from "./tree";

/** So many programs of one function are ordinary: a few batch sizes, training and evaluation. */
const ORDINARY = 8;

/** Watches how often a function is traced, and says once when and why it is too often. */
export class RetracingWatch {
  #count = 0;
  #last: ReadonlyMap<string, string> = new Map();

  constructor(private readonly name: string) {}

  /** To be called for each trace, with the function's arguments. */
  traced(args: readonly unknown[], fixed: ReadonlySet<number>): void {
    const leaves = new Map(
      args.flatMap((arg, i): [string, string][] =>
        fixed.has(i) ? [[`static argument ${i}`, staticText(arg, `argument ${i}`)]] : leavesOf(arg, `argument ${i}`),
      ),
    );
    if (++this.#count === ORDINARY) {
      console.warn(
        `${this.name} has been traced and compiled ${ORDINARY} times, the last time because ${changed(this.#last, leaves)}. ` +
          `Each new shape, type, structure, number, string or static value makes another program: pass numbers that change as tensors, and pad shapes to a few.`,
      );
    }
    this.#last = leaves;
  }
}

function changed(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): string {
  for (const [path, text] of after) {
    const old = before.get(path);
    if (old !== text) return old === undefined ? `${path} is new: ${text}` : `${path} changed from ${old} to ${text}`;
  }
  const gone = [...before.keys()].find((path) => !after.has(path));
  return gone !== undefined ? `${gone} is gone` : "the backend or the precision is another";
}
