import { performance } from "node:perf_hooks";
import { setImmediate as eventLoopTurn } from "node:timers/promises";
import * as tf from "@tensorflow/tfjs-core";
import { jit, type Jitted } from "tfjs-backend-xla";
import type { TrainBatch } from "../data";
import { expertLayers, type ModelConfig } from "../models";
import type { TensorSpec } from "../models/safetensors";
import { stepScalars } from "./adamw";
import { DivergedError } from "./diverged-error";
import { expertPhase, phaseAfter, stateWithExperts, type TrainingPhase } from "./dense-warmup";
import { deviceName } from "./environment";
import { inspectStep, type StepInspection } from "./inspect-step";
import { expertDistances, measuresDistance, type ExpertMetrics } from "./expert-metrics";
import type { RoutingMetrics, StepMetrics } from "./metrics";
import { dropoutNumbers, modelObjective, parameterSpecs, paramsOf } from "./model-objective";
import { mfuPercent, peakFlops } from "./peak-flops";
import { routingRecord } from "./routing-metrics";
import { denseWarmupSteps, tokensPerStep, totalSteps, type RunConfig } from "./run-config";
import { learningRateAt } from "./schedule";
import { Throughput } from "./throughput";
import { reportedTensors, trainStep, type StepResult, type TrainState } from "./train-step";
import type { ModelInTraining, TrainingSurroundings } from "./training-surroundings";

/**
 * Steps shorter than this are queued one ahead, since the device would otherwise wait for the host between them. Beside longer
 * ones that wait is nothing, and a stop has to wait for one step only.
 */
const QUEUED_STEP_MS = 1000;

/** A step that the device was given and whose loss has not been read yet. */
interface StepInFlight extends Omit<StepResult, "state"> {
  readonly step: number;
  readonly epoch: number;
  /** Of the batch. */
  readonly domainTokens: Uint32Array;
  readonly dataWaitMs: number;
  readonly phase: TrainingPhase["name"];
  readonly model: ModelConfig;
}

/** What a step's tensors say. */
interface StepNumbers {
  readonly lossNats: number;
  readonly gradNorm: number;
  readonly routing: Partial<RoutingMetrics>;
  readonly experts: Partial<ExpertMetrics>;
  /** Of models with experts, [Y, Q]: see `routingSums`. */
  readonly routingSums?: readonly number[];
}

/** A phase with what its steps need. */
interface PhaseUnderWay extends TrainingPhase {
  /** Of the parameters, in the state's order. */
  readonly specs: readonly TensorSpec[];
  readonly step: ReturnType<typeof trainStep>;
  readonly distances: Jitted<[readonly tf.Tensor[]], tf.Tensor1D>;
  isPrepared: boolean;
}

/** A training under way: the one place where parameters, optimizer and step change. */
export class Training {
  readonly #config: RunConfig;
  #phase: PhaseUnderWay;
  #state: TrainState;
  #steps: number;
  /** In order; two while the device has one step more than the host has seen. */
  readonly #inFlight: StepInFlight[] = [];
  #isBlocked = false;
  /** Of the device; null where it is not known. */
  readonly #peakFlops: number | null;

  /**
   * @param state taken over: training consumes it, `dispose` frees what it has become; of the model of `phaseAfter(config, steps)`
   * @param steps trained and saved before
   */
  constructor(config: RunConfig, state: TrainState, steps: number) {
    this.#config = config;
    this.#peakFlops = peakFlops(deviceName(), config.precision);
    this.#phase = underWay(phaseAfter(config, steps), config);
    this.#state = state;
    this.#steps = steps;
  }

  /** Steps trained, the one in flight included. */
  get steps(): number {
    return this.#steps;
  }

  /** Of the parameters that the state has now, in its order: those of the dense model in a dense warm-up. */
  get specs(): readonly TensorSpec[] {
    return this.#phase.specs;
  }

  /** Whether the last save failed, so that nothing but this object knows the last steps. `advance` can be called again. */
  get isBlocked(): boolean {
    return this.#isBlocked;
  }

  /**
   * Trains until the budget is used up or the signal is aborted. Metrics of steps under a second are yielded while the device
   * works on the next one already, so that what a caller does with them costs no time. Once aborted, or when the iteration is
   * left, what the device has been given is finished, recorded and saved: the step in flight, or two of those short ones.
   *
   * @throws DivergedError, or what `complete` throws
   */
  async *advance(surroundings: TrainingSurroundings, signal?: AbortSignal): AsyncGenerator<StepMetrics> {
    const throughput = new Throughput();
    const { evaluation } = surroundings;
    let savedAtMs = performance.now();
    let savedSteps = this.#steps;
    const finish = async (): Promise<StepMetrics> => this.#finish(throughput, surroundings);
    this.#isBlocked = false;
    let failed = false;
    try {
      await evaluation?.prepare(this.#subject);
      while (!signal?.aborted) {
        if (evaluation?.isDue(this.#steps)) {
          while (this.#inFlight.length > 0) yield await finish();
          await evaluation.run(this.#subject, this.#state, this.#steps, signal);
          throughput.resumed(performance.now());
          continue;
        }
        if (this.#steps === (surroundings.lastStep ?? totalSteps(this.#config))) break;
        if (this.#isCopyDue) {
          while (this.#inFlight.length > 0) yield await finish();
          await this.#beginExperts();
          await evaluation?.prepare(this.#subject);
          throughput.restarted();
        }
        await this.#dispatch(surroundings.batches);
        const queued = throughput.lastStepMs !== null && throughput.lastStepMs < QUEUED_STEP_MS ? 1 : 0;
        while (this.#inFlight.length > queued) yield await finish();
        if (surroundings.isSaveDue(this.#steps - savedSteps, performance.now() - savedAtMs)) {
          while (this.#inFlight.length > 0) yield await finish();
          await surroundings.save(this.#state, this.#steps);
          savedSteps = this.#steps;
          savedAtMs = performance.now();
          throughput.resumed(savedAtMs);
        }
        await eventLoopTurn();
      }
      if (this.#inFlight.length > 0) yield await finish();
    } catch (error) {
      failed = true;
      throw error;
    } finally {
      if (!failed) {
        while (this.#inFlight.length > 0) await finish();
        await this.#unlessBlocked(surroundings.complete(this.#state, this.#steps));
      }
    }
  }

  dispose(): void {
    tf.dispose({ ...this.#state });
    for (const each of this.#inFlight.splice(0)) tf.dispose(reportedTensors(each));
  }

  /**
   * Looks at the next step without taking it: where in the model numbers are not finite.
   *
   * @param batch its batch
   */
  async inspect(batch: TrainBatch): Promise<StepInspection> {
    if (this.#isCopyDue) await this.#beginExperts();
    const { batchSize } = this.#config;
    const { model, specs } = this.#phase;
    const tokens_BM = tf.tensor2d(batch.tokens_BM, [batchSize, model.contextLength + 1], "int32");
    const uniform_YBE = dropoutNumbers({ ...this.#config, model }, this.#steps + 1);
    try {
      return await inspectStep({ ...this.#config, model }, specs, this.#state, tokens_BM, uniform_YBE);
    } finally {
      tf.dispose([tokens_BM, uniform_YBE ?? []]);
    }
  }

  get #isCopyDue(): boolean {
    return this.#phase.name === "dense" && this.#steps === denseWarmupSteps(this.#config);
  }

  get #subject(): ModelInTraining {
    const { model, specs } = this.#phase;
    return { model, params: paramsOf(specs, this.#state.params) };
  }

  /** Copies the dense model into the experts. Until the next step the training still counts as that of the dense model: see `phaseAfter`. */
  async #beginExperts(): Promise<void> {
    this.#state = await stateWithExperts(this.#state, this.#config);
    this.#phase = underWay(expertPhase(this.#config), this.#config);
  }

  /** Gives the device its next step. */
  async #dispatch(batches: AsyncIterator<TrainBatch, void>): Promise<void> {
    const { batchSize, optimizer, denseWarmup, emaDecay } = this.#config;
    const { name, model, startStep } = this.#phase;
    const askedAtMs = performance.now();
    const next = await batches.next();
    const dataWaitMs = performance.now() - askedAtMs;
    if (next.done) throw new Error("the batches ended before the training");
    const { tokens_BM: tokens, epoch, domainTokens } = next.value;
    const step = this.#steps + 1;
    const tokens_BM = tf.tensor2d(tokens, [batchSize, model.contextLength + 1], "int32");
    const scalars = stepScalars(step, totalSteps(this.#config), optimizer, {
      moments: denseWarmup?.optimizerState === "kept" ? 0 : startStep,
      ema: { start: startStep, decay: emaDecay },
    });
    const uniform_YBE = dropoutNumbers({ ...this.#config, model }, step);
    try {
      // Compiling before the first call, and not in it, leaves the event loop free.
      if (!this.#phase.isPrepared) {
        await this.#phase.step.prepare(this.#state, tokens_BM, scalars, uniform_YBE);
        if (model.numExperts > 0) await this.#phase.distances.prepare(this.#state.params);
      }
      this.#phase.isPrepared = true;
      const isMeasured = model.numExperts > 0 && measuresDistance(step - startStep);
      const distances = isMeasured ? { expertDistances: this.#phase.distances(this.#state.params) } : {};
      const { state, experts, ...seen } = this.#phase.step(this.#state, tokens_BM, scalars, uniform_YBE);
      this.#state = state;
      this.#steps = step;
      const of = { step, epoch, domainTokens, dataWaitMs, phase: name, model };
      this.#inFlight.push({ ...of, ...seen, experts: { ...experts, ...distances } });
    } finally {
      tf.dispose([tokens_BM, { ...scalars }]);
      uniform_YBE?.dispose();
    }
  }

  /** Waits for the oldest step in flight, and records it. */
  async #finish(throughput: Throughput, surroundings: TrainingSurroundings): Promise<StepMetrics> {
    const oldest = this.#inFlight[0];
    const { step } = oldest;
    const numbers = await numbersOf(oldest);
    const { lossNats: loss, gradNorm: norm } = numbers;
    this.#inFlight.shift();
    tf.dispose(reportedTensors(oldest));
    if (!Number.isFinite(loss) || !Number.isFinite(norm)) {
      throw new DivergedError({ step, lossNats: loss, gradNorm: norm }, this.#config.optimizer.learningRate);
    }
    throughput.stepEnded(performance.now());
    const failedSaves = surroundings.failedSaves();
    const metrics: StepMetrics = {
      ...this.#metrics(oldest, numbers, throughput.stepsPerSecond, surroundings.recorded()),
      ...(failedSaves > 0 ? { failedSaves } : {}),
    };
    await surroundings.record(metrics);
    return metrics;
  }

  #metrics(of: StepInFlight, numbers: StepNumbers, speed: number | null, before: readonly StepMetrics[]): StepMetrics {
    const { step, epoch, phase, model, dataWaitMs, domainTokens } = of;
    const { lossNats, gradNorm, routing, experts, routingSums } = numbers;
    const steps = totalSteps(this.#config);
    const tokensPerSecond = speed && speed * tokensPerStep(this.#config);
    return {
      step,
      tokens: step * tokensPerStep(this.#config),
      epoch,
      ...(this.#config.denseWarmup === null ? {} : { denseWarmup: phase === "dense" ? 1 : 0 }),
      lossNats,
      learningRate: learningRateAt(step, steps, this.#config.optimizer),
      gradNorm,
      tokensPerSecond,
      mfuPercent: mfuPercent(model, tokensPerSecond, this.#peakFlops),
      secondsLeft: speed && (steps - step) / speed,
      dataWaitMs,
      domainTokens: Array.from(domainTokens),
      ...routing,
      ...experts,
      ...(routingSums && routingRecord(step, routingSums, expertLayers(model).length, before)),
    };
  }

  async #unlessBlocked(written: Promise<void>): Promise<void> {
    try {
      await written;
    } catch (error) {
      this.#isBlocked = true;
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(`${reason}. Then train again: the steps since are kept in memory`, { cause: error });
    }
  }
}

function underWay(phase: TrainingPhase, config: RunConfig): PhaseUnderWay {
  const specs = parameterSpecs(phase.model);
  const step = trainStep(modelObjective(phase.model, specs, config.merges), config.optimizer, config);
  const distances = jit((params: readonly tf.Tensor[]) => expertDistances(specs, params), { name: "expert distances" });
  return { ...phase, specs, step, distances, isPrepared: false };
}

/** Reads a step's tensors from the device. */
async function numbersOf({ lossNats, gradNorm, routing, experts, routingSums }: StepInFlight): Promise<StepNumbers> {
  const read = async (tensors: Readonly<Partial<Record<string, tf.Tensor>>>): Promise<[string, number[]][]> =>
    Promise.all(Object.entries(tensors).map(async ([name, tensor]) => [name, [...(await tensor!.data())]]));
  const [[loss], [norm], ofRouting, ofExperts, sums] = await Promise.all([
    lossNats.data(),
    gradNorm.data(),
    read(routing),
    read(experts),
    routingSums?.data(),
  ]);
  return {
    lossNats: loss,
    gradNorm: norm,
    routing: Object.fromEntries(ofRouting.map(([name, [value]]) => [name, value])),
    experts: Object.fromEntries(ofExperts.map(([name, values]) => [name, values])),
    ...(sums && { routingSums: [...sums] }),
  };
}
