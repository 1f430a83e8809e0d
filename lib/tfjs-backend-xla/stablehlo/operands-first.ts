import { inputsOf, type Op, type Value } from "./value";

/**
 * Visits once each operation that the results hang on, after those of its inputs, up to values that are done. A visit makes the
 * operation's values done. Iterative: graphs are deep.
 */
export function operandsFirst(
  results: readonly Value[],
  isDone: (value: Value) => boolean,
  visit: (op: Op) => void,
): void {
  const visited = new Set<Op>();
  const stack: { op: Op; next: number }[] = [];
  const open = (value: Value) => {
    if (!isDone(value)) stack.push({ op: value.op, next: 0 });
  };
  for (const result of results) {
    open(result);
    while (stack.length > 0) {
      const top = stack[stack.length - 1];
      const inputs = inputsOf(top.op);
      if (top.next < inputs.length) open(inputs[top.next++]);
      else {
        stack.pop();
        if (visited.has(top.op)) continue;
        visited.add(top.op);
        visit(top.op);
      }
    }
  }
}
