import fs from "node:fs/promises";
import path from "node:path";
import { isMissing } from "./durable-file";
import { readEvents, restartRecord, scalarsRecord, versionRecord, type Scalar } from "./event-file";
import { METRICS } from "./metrics";
import { RowLog } from "./row-log";

/** TensorBoard takes what has `tfevents` in its name. */
export const EVENT_FILE = "events.out.tfevents.lory";

/** What is recorded after a step: by the step itself, and by an evaluation. */
export type RecordKind = "step" | "evaluation";
/** What a line of `metrics.jsonl` or `evaluations.jsonl` holds. */
export type RecordedValues = Readonly<Record<string, unknown>>;

/** What was recorded, in the order of steps, a step before its evaluation. */
export function inOrder(
  steps: readonly RecordedValues[],
  evaluations: readonly RecordedValues[],
): (readonly [RecordKind, RecordedValues])[] {
  const stepOf = ([, values]: readonly [RecordKind, RecordedValues]): number => values[METRICS.step.name] as number;
  const all = [
    ...steps.map((values) => ["step", values] as const),
    ...evaluations.map((values) => ["evaluation", values] as const),
  ];
  return all.sort((a, b) => stepOf(a) - stepOf(b));
}

/**
 * What a run records, as an event file of TensorBoard that is only ever appended to. A file that is there is gone on with: what it lacks is added, and
 * where the training has gone back to an earlier step, it says so, whereupon TensorBoard drops what it has of later ones. Numbers by
 * layer are `<name>/<layer>`, counted among those with experts from 0. An event's time is that of training: what compiling and saving took is not in it.
 */
export class EventLog {
  readonly #log: RowLog<Buffer>;
  readonly #lastSteps: Record<RecordKind, number>;
  #seconds: number;
  #tokens = 0;

  private constructor(log: RowLog<Buffer>, startSeconds: number, lastSteps: Record<RecordKind, number>) {
    this.#log = log;
    this.#seconds = startSeconds;
    this.#lastSteps = lastSteps;
  }

  /**
   * Opens the event file of a folder. One of a run that began at another time is written anew, and a torn end is cut off.
   *
   * @param startedAt of the run, ISO 8601
   */
  static async open(folder: string, startedAt: string): Promise<EventLog> {
    const file = path.join(folder, EVENT_FILE);
    const startSeconds = Date.parse(startedAt) / 1000;
    const known = readEvents(await contentOf(file));
    const isOurs = known.events.at(0)?.wallTimeSeconds === startSeconds;
    const lastSteps = { step: 0, evaluation: 0 };
    for (const { step, tag, isRestart } of isOurs ? known.events : []) {
      if (isRestart) goBack(lastSteps, step - 1);
      else if (tag !== undefined) lastSteps[tag.startsWith("eval/") ? "evaluation" : "step"] = step;
    }
    const log = await RowLog.openAt<Buffer>(file, isOurs ? known.sizeBytes : 0, (bytes) => bytes);
    if (!isOurs) await log.append(versionRecord(startSeconds));
    return new EventLog(log, startSeconds, lastSteps);
  }

  /**
   * Adds what was recorded; what the file has already is left as it is.
   *
   * @param recorded `inOrder`: from the first step on, or going on from the last call
   * @throws what `RowLog.append` throws: what could not be written is written the next time
   */
  async append(recorded: readonly (readonly [RecordKind, RecordedValues])[]): Promise<void> {
    const records = recorded.flatMap(([kind, values]): Buffer[] => {
      const step = values[METRICS.step.name] as number;
      if (kind === "step") this.#advance(values);
      if (step <= this.#lastSteps[kind]) return [];
      this.#lastSteps[kind] = step;
      return [scalarsRecord(this.#seconds, step, scalarsOf(values))];
    });
    if (records.length > 0) await this.#log.append(Buffer.concat(records));
  }

  /** What was written of steps after this one no longer counts. */
  async keepUntil(step: number): Promise<void> {
    if (Math.max(this.#lastSteps.step, this.#lastSteps.evaluation) <= step) return;
    goBack(this.#lastSteps, step);
    await this.#log.append(restartRecord(this.#seconds, step + 1));
  }

  async flush(): Promise<void> {
    await this.#log.flush();
  }

  async close(): Promise<void> {
    await this.#log.close();
  }

  /** The time of training until this step, as far as its speed is known. */
  #advance(values: RecordedValues): void {
    const [tokens, speed] = [values[METRICS.tokens.name], values[METRICS.tokensPerSecond.name]];
    if (typeof tokens !== "number" || typeof speed !== "number") return;
    this.#seconds += Math.max(0, tokens - this.#tokens) / speed;
    this.#tokens = Math.max(tokens, this.#tokens);
  }
}

function goBack(lastSteps: Record<RecordKind, number>, step: number): void {
  lastSteps.step = Math.min(lastSteps.step, step);
  lastSteps.evaluation = Math.min(lastSteps.evaluation, step);
}

async function contentOf(file: string): Promise<Buffer> {
  try {
    return await fs.readFile(file);
  } catch (error) {
    if (isMissing(error)) return Buffer.alloc(0);
    throw error;
  }
}

/** All that is a number in a record, or several. */
function scalarsOf(values: RecordedValues): Scalar[] {
  return Object.entries(values).flatMap(([name, value]): Scalar[] => {
    if (name === METRICS.step.name) return [];
    if (typeof value === "number") return Number.isFinite(value) ? [[name, value]] : [];
    if (!Array.isArray(value)) return [];
    return value.map((entry: number, i): Scalar => [`${name}/${String(i).padStart(2, "0")}`, entry]);
  });
}
