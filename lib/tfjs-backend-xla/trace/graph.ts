import type { DeviceBuffer } from "../pjrt";
import { inputsOf, type Op, type Value } from "../stablehlo";

/** Data in the host's memory that a device can take. */
export type HostArray = Float32Array | Int32Array | Uint8Array;

/** What is known of a value outside of programs: its data, and who needs it. */
interface Cell {
  /** Tensors and held operations that need this value. */
  holders: number;
  /** Tensors among the holders: their values are worth keeping when they come out of a program. */
  tensors: number;
  buffer?: DeviceBuffer;
  /** Data still to be copied to the device. */
  host?: HostArray;
}

/**
 * The lifetime of values that are recorded but not computed. A value holds its operands until it is computed itself; a device buffer
 * is destroyed at the moment nothing holds its value. Counting is exact: it does not wait for the garbage collector.
 */
export class Graph {
  readonly #cells = new WeakMap<Value, Cell>();

  #cell(value: Value): Cell {
    let cell = this.#cells.get(value);
    if (!cell) this.#cells.set(value, (cell = { holders: 0, tensors: 0 }));
    return cell;
  }

  /** A tensor, or an execution under way, begins to need the value. */
  hold(value: Value, byTensor = false): void {
    if (byTensor) this.#cell(value).tensors++;
    const pending = [value];
    while (pending.length > 0) {
      const next = pending.pop()!;
      const cell = this.#cell(next);
      if (cell.holders++ === 0 && !hasData(cell)) pending.push(...inputsOf(next.op));
    }
  }

  /** The opposite of `hold`; destroys what nothing needs any more. */
  release(value: Value, byTensor = false): void {
    if (byTensor) this.#cell(value).tensors--;
    const pending = [value];
    while (pending.length > 0) {
      const next = pending.pop()!;
      const cell = this.#cell(next);
      if (--cell.holders > 0) continue;
      if (!hasData(cell)) pending.push(...inputsOf(next.op));
      cell.buffer?.destroy();
      cell.buffer = undefined;
      cell.host = undefined;
    }
  }

  /** Gives a held value its data on the device; it lets go of what it would have been computed from. */
  bind(value: Value, buffer: DeviceBuffer): void {
    const cell = this.#cell(value);
    const computed = !hasData(cell);
    cell.buffer?.destroy();
    cell.buffer = buffer;
    cell.host = undefined;
    if (cell.holders === 0) {
      buffer.destroy();
      cell.buffer = undefined;
    } else if (computed) for (const operand of inputsOf(value.op)) this.release(operand);
  }

  /** Gives a new value data that is copied to the device when a program first needs it. */
  bindHost(value: Value, host: HostArray): void {
    this.#cell(value).host = host;
  }

  /** How many tensors, held operations and executions under way need the value. */
  holdersOf(value: Value): number {
    return this.#cells.get(value)?.holders ?? 0;
  }

  /** How many tensors hold the value. */
  tensorsOf(value: Value): number {
    return this.#cells.get(value)?.tensors ?? 0;
  }

  /** Whether something that is not computed yet will be computed from the value. */
  isAwaited(value: Value): boolean {
    const cell = this.#cells.get(value);
    return cell !== undefined && cell.holders > cell.tensors;
  }

  bufferOf(value: Value): DeviceBuffer | undefined {
    return this.#cells.get(value)?.buffer;
  }

  hostOf(value: Value): HostArray | undefined {
    return this.#cells.get(value)?.host;
  }

  hasData(value: Value): boolean {
    const cell = this.#cells.get(value);
    return cell !== undefined && hasData(cell);
  }

  /**
   * What a program for `roots` reads and returns. `leaves` have data, in the order in which they are met; `results` are the roots
   * and those values on the way that tensors hold, so that nothing is computed twice.
   */
  cut(roots: readonly Value[]): { leaves: Value[]; results: Value[] } {
    const leaves: Value[] = [];
    const results = new Set<Value>();
    const seen = new Set<Value>();
    const pending = [...roots].reverse();
    while (pending.length > 0) {
      const value = pending.pop()!;
      if (seen.has(value)) continue;
      seen.add(value);
      if (this.hasData(value)) leaves.push(value);
      else {
        const operands = inputsOf(value.op);
        // all results of an operation come from one computation: of a loop above all, which is not to run again for each
        if (operands.length > 0) for (const each of value.op.results) if (this.tensorsOf(each) > 0) results.add(each);
        for (let i = operands.length - 1; i >= 0; i--) pending.push(operands[i]);
      }
    }
    for (const root of roots) results.add(root);
    return { leaves, results: [...results].filter((value) => !this.hasData(value)) };
  }

  /** Operations of a name that are to be computed before the values can be. What such an operation itself needs is not looked at. */
  missing(roots: readonly Value[], name: string): Op[] {
    const found = new Set<Op>();
    const seen = new Set<Value>();
    const pending = [...roots];
    for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
      if (seen.has(value) || this.hasData(value)) continue;
      seen.add(value);
      if (value.op.name === name) found.add(value.op);
      else pending.push(...inputsOf(value.op));
    }
    return [...found];
  }
}

const hasData = (cell: Cell): boolean => cell.buffer !== undefined || cell.host !== undefined;
