/** The numbers of a step of which one is not finite. */
export interface DivergedStep {
  readonly step: number;
  readonly lossNats: number;
  readonly gradNorm: number;
}

/** A loss or gradient that is not a finite number. The parameters are spoilt; the last checkpoint is from before. */
export class DivergedError extends Error {
  override readonly name = "DivergedError";

  /** @param found where the first number lies that is not finite, and where that is written, if it is known */
  constructor(
    readonly at: DivergedStep,
    learningRate: number,
    found = "",
  ) {
    super(
      `training diverged at step ${at.step}: the loss is ${at.lossNats}, the gradient norm ${at.gradNorm}; ${found}` +
        `the last checkpoint is kept. A lower learningRate (it is ${learningRate}) may help: fork the run with one`,
    );
  }
}
