import { inputsOf, type Value } from "../stablehlo";
import type { StepOf } from "./step";

/** Operations that only move elements: computing them again costs less than keeping what they give. */
const MOVES: ReadonlySet<string> = new Set(["reshape", "transpose", "broadcast_in_dim", "reverse", "slice"]);

/** What a pull-back reads of the inside of its step, and would compute again if it were not kept: values that change from step to step. */
export function residualsOf(step: StepOf<Value>, pullBack: StepOf<Value>): Value[] {
  const inside = varying([...step.nextCarry, ...step.y], new Set([...step.carry, ...step.x]));
  const found = new Set<Value>();
  const seen = new Set<Value>();
  const pending = [...pullBack.nextCarry, ...pullBack.y];
  for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
    if (seen.has(value)) continue;
    seen.add(value);
    const { name } = value.op;
    if (inside.has(value) && name !== "parameter" && !MOVES.has(name)) found.add(value);
    else pending.push(...inputsOf(value.op));
  }
  return [...found];
}

/** All values on the way to the results that hang on one of the parameters. */
function varying(results: readonly Value[], parameters: ReadonlySet<Value>): ReadonlySet<Value> {
  const found = new Set<Value>();
  const done = new Set<Value>();
  const stack = [...results];
  while (stack.length > 0) {
    const value = stack[stack.length - 1];
    const inputs = inputsOf(value.op);
    const open = done.has(value) ? [] : inputs.filter((input) => !done.has(input));
    if (open.length > 0) stack.push(...open);
    else {
      stack.pop();
      done.add(value);
      if (parameters.has(value) || inputs.some((input) => found.has(input))) found.add(value);
    }
  }
  return found;
}
