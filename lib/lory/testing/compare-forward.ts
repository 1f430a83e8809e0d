import * as tf from "@tensorflow/tfjs-core";
import { expectClose } from "tfjs-backend-xla/testing";
import { expertLayers, type ModelConfig } from "../models";
import { referenceForward, referenceLossNats, referenceParams } from "../models/reference";
import { compiledForwardAndLoss } from "./compiled";
import { randomParams, randomTokens, tokenTensor } from "./random-model";

/** float32 against float64: a few hundred roundings of 6e-8 on values of order 1. */
export const FORWARD = { rtol: 1e-4, atol: 2e-5 };

/**
 * Compares logits, routing weights and loss of a random model with the float64 reference.
 *
 * @throws Error where they differ by more than `FORWARD`
 */
export function compareForward(config: ModelConfig, batch: number, length: number, seed: number): void {
  tf.tidy(() => {
    const params = randomParams(config, seed);
    const tokens_BM = randomTokens(config, batch, length + 1, seed + 1);
    const tokens_BL = tokens_BM.map((row) => row.slice(0, -1));
    const expected = referenceForward(referenceParams(params), tokens_BL, config);
    const actual = compiledForwardAndLoss(params, tokenTensor(tokens_BM), config);
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
    const loss = referenceLossNats(referenceParams(params), tokens_BM, config);
    expectClose(actual.lossNats, loss, FORWARD);
  });
}
