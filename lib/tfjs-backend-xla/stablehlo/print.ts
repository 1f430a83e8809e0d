import { typeText } from "./types";
import type { Op, Region, Value } from "./value";

/** A program: a function of its parameters. `aliases` pairs a parameter's index with the output that takes its memory. */
export interface Program {
  readonly name: string;
  readonly parameters: readonly Value[];
  readonly results: readonly Value[];
  readonly aliases?: ReadonlyMap<number, number>;
}

/**
 * The program as an MLIR module in the generic form. Names depend on the structure alone, so equal programs print equal.
 * @throws if a value hangs on a parameter that is not the program's.
 */
export function printModule({ name, parameters, results, aliases = new Map<number, number>() }: Program): string {
  const printer = new Printer();
  const args = parameters.map((p, i) => {
    printer.name(p, `%arg${i}`);
    const alias = aliases.get(i);
    return `%arg${i}: ${typeText(p.type)}${alias === undefined ? "" : ` {tf.aliasing_output = ${alias} : i32}`}`;
  });
  const returned = printer.body(results, "    ");
  const types = results.map((r) => typeText(r.type)).join(", ");
  return `module @${name} {\n  func.func public @main(${args.join(", ")}) -> (${types}) {\n${printer.lines.join("\n")}\n    "func.return"(${returned.join(", ")}) : (${types}) -> ()\n  }\n}\n`;
}

class Printer {
  readonly lines: string[] = [];
  readonly #names = new Map<Value, string>();
  #next = 0;
  #nextBlockArgument = 0;

  name(value: Value, name: string): void {
    this.#names.set(value, name);
  }

  /** Prints all that the results hang on, operands first, and returns the results' names. Iterative: graphs are deep. */
  body(results: readonly Value[], indent: string): string[] {
    const stack: { op: Op; next: number }[] = [];
    const open = (value: Value) => {
      if (!this.#names.has(value)) stack.push({ op: value.op, next: 0 });
    };
    for (const result of results) {
      open(result);
      while (stack.length > 0) {
        const top = stack[stack.length - 1];
        const inputs = dependencies(top.op);
        if (top.next < inputs.length) open(inputs[top.next++]);
        else {
          stack.pop();
          if (!this.#names.has(top.op.results[0])) this.#print(top.op, indent);
        }
      }
    }
    return results.map((r) => this.#names.get(r)!);
  }

  #print(op: Op, indent: string): void {
    if (op.name === "parameter")
      throw new Error(`a value depends on a parameter ${typeText(op.results[0].type)} of another program`);
    const regions = op.regions.map((r) => this.#region(r, indent));
    const names = op.results.map((r) => {
      const name = `%${this.#next++}`;
      this.#names.set(r, name);
      return name;
    });
    const operands = op.operands.map((v) => this.#names.get(v)!).join(", ");
    const types = `(${op.operands.map((v) => typeText(v.type)).join(", ")}) -> (${op.results.map((r) => typeText(r.type)).join(", ")})`;
    const bodies = regions.length ? ` (${regions.join(", ")})` : "";
    const attributes = op.attributes ? ` {${op.attributes}}` : "";
    this.lines.push(
      `${indent}${names.join(", ")} = "stablehlo.${op.name}"(${operands})${bodies}${attributes} : ${types}`,
    );
  }

  #region({ parameters, results }: Region, indent: string): string {
    const args = parameters.map((p) => {
      const name = `%b${this.#nextBlockArgument++}`;
      this.#names.set(p, name);
      return `${name}: ${typeText(p.type)}`;
    });
    const start = this.lines.length;
    const returned = this.body(results, `${indent}  `);
    const inner = this.lines.splice(start);
    const types = results.map((r) => typeText(r.type)).join(", ");
    return `{\n${indent}^bb0(${args.join(", ")}):\n${inner.join("\n")}\n${indent}  "stablehlo.return"(${returned.join(", ")}) : (${types}) -> ()\n${indent}}`;
  }
}

/** What must be printed before an operation: its operands, and what its regions use from outside. */
function dependencies(op: Op): readonly Value[] {
  return op.regions.length === 0 ? op.operands : [...op.operands, ...op.regions.flatMap(captured)];
}

/** Values of outer scopes that a region refers to. */
function captured({ parameters, results }: Region): Value[] {
  const inside = new Set<Value>(parameters);
  const found = new Set<Value>();
  const dependsOnParameters = new Map<Op, boolean>();
  const visit = (value: Value): boolean => {
    if (inside.has(value)) return true;
    const known = dependsOnParameters.get(value.op);
    if (known !== undefined) return known;
    dependsOnParameters.set(value.op, false);
    const hangs = dependencies(value.op).map(visit).some(Boolean);
    dependsOnParameters.set(value.op, hangs);
    if (hangs) for (const operand of value.op.operands) if (!visit(operand)) found.add(operand);
    return hangs;
  };
  for (const result of results) if (!visit(result)) found.add(result);
  return [...found];
}
