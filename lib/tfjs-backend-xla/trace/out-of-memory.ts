import { freemem, totalmem } from "node:os";
import {
  PjrtError,
  type Client,
  type DeviceBuffer,
  type Executable,
  type ExecutableMemory,
  type Holding,
} from "../pjrt";

/** How many kinds of buffers an error lists. */
const LISTED = 6;

/** Memory that a device refused: what was asked for, what was free, and what holds the rest. The process can go on. */
export class OutOfMemoryError extends Error {
  override readonly name = "OutOfMemoryError";

  constructor(
    reason: string,
    /** Bytes that were free; undefined where the device does not count them. */
    readonly freeBytes: number | undefined,
    /** The live buffers of this process by type and shape, the most bytes first. */
    readonly holders: readonly Holding[],
    options?: ErrorOptions,
  ) {
    const total = holders.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const count = holders.reduce((sum, each) => sum + each.count, 0);
    const largest = holders
      .slice(0, LISTED)
      .map((h) => `${h.count} of ${h.type} [${h.dims.join(", ")}] (${bytes(h.sizeBytes)})`);
    super(
      `out of memory: ${reason}\n` +
        `Free: ${freeBytes === undefined ? "not known" : bytes(freeBytes)}. ` +
        `${count} live buffers take ${bytes(total)}${count > 0 ? `, the largest: ${largest.join(", ")}` : ""}.`,
      options,
    );
  }
}

/**
 * The error, or what there is to say about it if it is a refused allocation.
 * @param program what was running, if that is known, on these arguments.
 */
export function explained(
  error: unknown,
  client: Client,
  program?: Executable,
  args: readonly DeviceBuffer[] = [],
): unknown {
  if (!(error instanceof PjrtError) || error.code !== "RESOURCE_EXHAUSTED") return error;
  const asked = program ? describe(program) : "a value could not be computed or copied";
  const lost = args.some((buffer) => buffer.isDeleted()) ? " The arguments that it was to overwrite are lost." : "";
  return new OutOfMemoryError(`${asked}. ${error.message}${lost}`, freeBytes(client), client.holdings, {
    cause: error,
  });
}

const fitting = new WeakSet<Executable>();

/** Refuses a program that the device could not hold if it were empty, before anything that it overwrites is lost. */
export function demandRoom(program: Executable): void {
  if (fitting.has(program)) return;
  const { client } = program;
  const [needed, capacity] = [neededBytes(program), capacityBytes(client)];
  if (needed !== undefined && capacity !== undefined && needed > capacity) {
    const reason = `${describe(program)}, the device has ${bytes(capacity)}.`;
    throw new OutOfMemoryError(reason, freeBytes(client), client.holdings);
  }
  fitting.add(program);
}

/** Arguments, results and scratch; undefined where the plugin does not tell. */
function neededBytes(program: Executable): number | undefined {
  const plan = planOf(program);
  return plan && plan.argumentBytes + plan.outputBytes - plan.aliasBytes + plan.temporaryBytes;
}

function planOf(program: Executable): ExecutableMemory | undefined {
  try {
    return program.memory();
  } catch (error) {
    if (error instanceof PjrtError) return undefined; // not every plugin plans
    throw error;
  }
}

function capacityBytes(client: Client): number | undefined {
  return client.platformName === "cpu" ? totalmem() : client.devices[0].memoryStats()?.bytesLimit;
}

function describe(program: Executable): string {
  const plan = planOf(program);
  if (!plan) return `the program ${program.name} could not be run`;
  const { argumentBytes, outputBytes, aliasBytes, temporaryBytes } = plan;
  const results = bytes(outputBytes - aliasBytes);
  return `the program ${program.name} takes ${bytes(argumentBytes)} of arguments, ${results} for its results and ${bytes(temporaryBytes)} of scratch`;
}

function freeBytes(client: Client): number | undefined {
  if (client.platformName === "cpu") return freemem();
  const stats = client.devices[0].memoryStats();
  return stats?.bytesLimit === undefined ? undefined : stats.bytesLimit - stats.bytesInUse;
}

/** With a unit and three digits. */
function bytes(count: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
  const power = Math.min(count < 1 ? 0 : Math.floor(Math.log2(count) / 10), units.length - 1);
  return `${Number((count / 1024 ** power).toPrecision(3))} ${units[power]}`;
}
