import * as tf from "@tensorflow/tfjs-core";
import { expectClose } from "tfjs-backend-xla/testing";
import { expertLayers, type ModelConfig } from "../models";
import { referenceForward, referenceLossNats, referenceObjective, referenceParams } from "../models/reference";
import { compiledForwardAndLoss } from "./compiled";
import { randomParams, randomTokens, tokenTensor } from "./random-model";

/** float32 against float64: a few hundred roundings of 6e-8 on values of order 1. */
export const FORWARD = { rtol: 1e-4, atol: 2e-5 };

/**
 * Compares logits, routing weights and loss of a random model with the float64 reference, in a pass of evaluation or of training.
 *
 * @throws Error where they differ by more than `FORWARD`
 */
export function compareForward(
  config: ModelConfig,
  batch: number,
  length: number,
  seed: number,
  kind: "evaluation" | "training" = "evaluation",
): void {
  tf.tidy(() => {
    const params = randomParams(config, seed);
    const tokens_BM = randomTokens(config, batch, length + 1, seed + 1);
    const tokens_BL = tokens_BM.map((row) => row.slice(0, -1));
    const isTraining = kind === "training";
    const expected = referenceForward(referenceParams(params), tokens_BL, config, { isTraining });
    const actual = compiledForwardAndLoss(params, tokenTensor(tokens_BM), config, kind);
    expectClose(actual.logits_BLV, expected.logits_BLV, FORWARD);
    const layers = expertLayers(config).length;
    if (actual.routing.length !== layers) throw new Error(`${actual.routing.length} routed layers: expected ${layers}`);
    actual.routing.forEach((weights_BNE, y) => {
      expectClose(
        weights_BNE,
        expected.routing_BYNE.map((row) => row[y]),
        FORWARD,
      );
    });
    const reference = isTraining ? referenceObjective : referenceLossNats;
    const loss = reference(referenceParams(params), tokens_BM, config);
    expectClose(actual.lossNats, loss, FORWARD);
  });
}
