import { messageOf } from "../data/corpus-error";
import type { TensorSpec } from "../models/safetensors";
import { takeSnapshot, writeCheckpoint, type Snapshot } from "./checkpoint";
import { removeOldCheckpoints, type EvaluatedStep, type KeptCheckpoints } from "./checkpoint-folders";
import type { TrainState } from "./train-step";

export interface CheckpointWriterOptions {
  /** Where checkpoints lie. */
  readonly root: string;
  /** Of the parameters that the state has now, in its order. */
  readonly specs: () => readonly TensorSpec[];
  readonly tokensPerStep: number;
  readonly keep: KeptCheckpoints;
  /** What the run's evaluations found so far. */
  readonly evaluations: readonly EvaluatedStep[];
  /** Brings to the disk what was recorded up to the checkpoint: one that knew more steps than the records could not be gone on from. */
  readonly flushRecords: () => Promise<void>;
}

/**
 * Writes checkpoints beside training: the state is copied to the host while the device waits, which takes as long as the copy; the files are
 * written while the next steps run, one checkpoint after the other.
 */
export class CheckpointWriter {
  readonly #options: CheckpointWriterOptions;
  /** Settles, without an error, when everything begun has been written or given up. */
  #last: Promise<void> = Promise.resolve();
  #underWay = 0;
  #savedStep: number;
  /** The last one begun: a step is evaluated, and saved on schedule, before the next one begins. */
  #begunStep: number;
  #failures = 0;

  /** @param savedStep of the checkpoint that training goes on from; 0 for none */
  constructor(options: CheckpointWriterOptions, savedStep: number) {
    this.#options = options;
    this.#savedStep = savedStep;
    this.#begunStep = savedStep;
  }

  /** Whether files are being written. */
  get isBusy(): boolean {
    return this.#underWay > 0;
  }

  /** Whether the checkpoint of the best model stays. */
  get keepsBest(): boolean {
    return this.#options.keep.best;
  }

  /** How many checkpoints in a row could not be written. */
  get failures(): number {
    return this.#failures;
  }

  /**
   * Begins a checkpoint: the state may change once the promise resolves. When the files cannot be written, training goes on and the
   * console says so: the checkpoints before are still there, and another one is tried when it is due.
   */
  async begin(state: TrainState, step: number): Promise<void> {
    if (step === this.#begunStep) return;
    this.#begunStep = step;
    const snapshot = await takeSnapshot(this.#options.specs(), state);
    this.#underWay++;
    this.#last = this.#last.then(async () => {
      try {
        await this.#write(snapshot, step);
      } catch (error) {
        console.warn(`No checkpoint of step ${step}: ${messageOf(error)}. Training goes on; ${this.#savedText()}`);
      }
      this.#underWay--;
    });
  }

  /**
   * Waits for what is being written, and writes a checkpoint of this state unless there is one. What is recorded is on the disk then, too.
   *
   * @throws an error that says what to do; the checkpoints before are untouched
   */
  async complete(state: TrainState, step: number): Promise<void> {
    await this.settled();
    if (this.#savedStep < step) await this.#write(await takeSnapshot(this.#options.specs(), state), step);
    else await this.#options.flushRecords();
  }

  /** Waits until nothing is being written. */
  async settled(): Promise<void> {
    await this.#last;
  }

  async #write(snapshot: Snapshot, step: number): Promise<void> {
    const { root, tokensPerStep, keep, evaluations, flushRecords } = this.#options;
    try {
      await flushRecords();
      await writeCheckpoint(root, snapshot, { step, tokens: step * tokensPerStep });
    } catch (error) {
      this.#failures++;
      throw error;
    }
    this.#failures = 0;
    this.#savedStep = step;
    await removeOldCheckpoints(root, keep, evaluations);
  }

  #savedText(): string {
    return this.#savedStep === 0
      ? "no checkpoint has been written yet"
      : `the last checkpoint is of step ${this.#savedStep}`;
  }
}
