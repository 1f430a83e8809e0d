import { operandsFirst } from "./operands-first";
import { typeText } from "./types";
import type { Op, Region, Value } from "./value";

/**
 * A program: a function of its parameters. `aliases` pairs a parameter's index with the output that takes its memory; values of `once` are
 * computed as a whole before anything reads them.
 */
export interface Program {
  readonly name: string;
  readonly parameters: readonly Value[];
  readonly results: readonly Value[];
  readonly aliases?: ReadonlyMap<number, number>;
  readonly once?: ReadonlySet<Value>;
}

/**
 * The program as an MLIR module in the generic form. Names depend on the structure alone, so equal programs print equal.
 * @throws if a value hangs on a parameter that is not the program's.
 */
export function printModule({ name, parameters, results, aliases, once }: Program): string {
  const printer = new Printer(once);
  const args = parameters.map((p, i) => {
    printer.name(p, `%arg${i}`);
    const alias = aliases?.get(i);
    return `%arg${i}: ${typeText(p.type)}${alias === undefined ? "" : ` {tf.aliasing_output = ${alias} : i32}`}`;
  });
  const returned = printer.body(results, "    ");
  const types = results.map((r) => typeText(r.type)).join(", ");
  return `module @${name} {\n  func.func public @main(${args.join(", ")}) -> (${types}) {\n${printer.lines.join("\n")}\n    "func.return"(${returned.join(", ")}) : (${types}) -> ()\n  }\n}\n`;
}

class Printer {
  readonly lines: string[] = [];
  readonly #names = new Map<Value, string>();
  /** Values that were named inside of the region being printed: outside of it their names mean nothing. */
  #local: Value[] = [];
  readonly #once: ReadonlySet<Value>;
  #next = 0;
  #nextBlockArgument = 0;

  constructor(once: ReadonlySet<Value> = new Set()) {
    this.#once = once;
  }

  name(value: Value, name: string): void {
    this.#names.set(value, name);
    this.#local.push(value);
  }

  /** Prints all that the results hang on, operands first, and returns the results' names. */
  body(results: readonly Value[], indent: string): string[] {
    operandsFirst(
      results,
      (value) => this.#names.has(value),
      (op) => this.#print(op, indent),
    );
    return results.map((r) => this.#names.get(r)!);
  }

  #print(op: Op, indent: string): void {
    if (op.name === "parameter")
      throw new Error(`a value depends on a parameter ${typeText(op.results[0].type)} of another program`);
    const regions = op.regions.map((r) => this.#region(r, indent));
    const names = op.results.map((r) => {
      const name = `%${this.#next++}`;
      this.name(r, name);
      return name;
    });
    const operands = op.operands.map((v) => this.#names.get(v)!).join(", ");
    const types = `(${op.operands.map((v) => typeText(v.type)).join(", ")}) -> (${op.results.map((r) => typeText(r.type)).join(", ")})`;
    const bodies = regions.length ? ` (${regions.join(", ")})` : "";
    const attributes = op.attributes ? ` {${op.attributes}}` : "";
    this.lines.push(
      `${indent}${names.join(", ")} = "stablehlo.${op.name}"(${operands})${bodies}${attributes} : ${types}`,
    );
    for (const value of op.results) if (this.#once.has(value)) this.#hold(value, indent);
  }

  /** Sets a barrier behind a value: what reads it from now on reads that. */
  #hold(value: Value, indent: string): void {
    const [name, type] = [`%${this.#next++}`, typeText(value.type)];
    this.lines.push(
      `${indent}${name} = "stablehlo.optimization_barrier"(${this.#names.get(value)}) : (${type}) -> (${type})`,
    );
    this.name(value, name);
  }

  #region({ parameters, results }: Region, indent: string): string {
    const outside = this.#local;
    this.#local = [];
    const args = parameters.map((p) => {
      const name = `%b${this.#nextBlockArgument++}`;
      this.name(p, name);
      return `${name}: ${typeText(p.type)}`;
    });
    const start = this.lines.length;
    const returned = this.body(results, `${indent}  `);
    const inner = this.lines.splice(start);
    for (const value of this.#local) this.#names.delete(value);
    this.#local = outside;
    const types = results.map((r) => typeText(r.type)).join(", ");
    return `{\n${indent}^bb0(${args.join(", ")}):\n${inner.join("\n")}\n${indent}  "stablehlo.return"(${returned.join(", ")}) : (${types}) -> ()\n${indent}}`;
  }
}
