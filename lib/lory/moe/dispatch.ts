// Shapes: X tokens, K experts a token, A = X K assignments, E experts, Z blocks, P places a block, S = Z P places, D model.
import * as tf from "@tensorflow/tfjs-core";
import { mergedFfn, withGradient, type MergedFfnParams } from "../nn";
import type { ExpertParams } from "./merge";

/** Most tokens that one block takes. */
const LARGEST_BLOCK = 256;

/** Where each assignment of a token to an expert is computed: blocks of places, each block one expert's. */
interface Plan {
  /** Tokens a block. */
  readonly blockLength: number;
  /** The place of each assignment, int32. */
  readonly place_A: tf.Tensor1D;
  /** The assignment of each place, int32; an unused place has some assignment, and 0 in `isUsed_S1`. */
  readonly assignment_S: tf.Tensor1D;
  readonly isUsed_S1: tf.Tensor2D;
  /** Each block's expert as a one-hot row; an unused block has none. */
  readonly expert_ZE: tf.Tensor2D;
}

/**
 * Sends each token through its own experts and adds up their outputs by weight: `y_x = sum_k weights[x, k] FFN_k(x)`. No token is dropped,
 * however the experts are chosen, and every shape is known beforehand: the assignments are put in order of their experts, in blocks of P
 * places, of which `(A + E (P - 1)) / P` are enough for any choice. What is computed is a FFN for each of those places, up to E (P - 1) of them
 * unused; P is at most a quarter of an expert's even share, so that these are at most a quarter of the work.
 *
 * Each block has a copy of its expert's matrices, as a segment has of its merge (after Gale et al. 2022, MegaBlocks, arXiv 2211.15841, whose
 * kernels read them in place).
 *
 * @param chosen_XKE one-hot rows, from `selectHighest`
 * @param weights_XK what the experts' outputs are multiplied by
 */
export function sparseExperts(
  experts: ExpertParams,
  x_XD: tf.Tensor2D,
  chosen_XKE: tf.Tensor3D,
  weights_XK: tf.Tensor2D,
): tf.Tensor2D {
  return tf.tidy(() => {
    const [tokens, perToken] = chosen_XKE.shape;
    const dModel = x_XD.shape[1];
    const plan = planOf(chosen_XKE);
    const x_ZPD: tf.Tensor3D = tf.reshape(spread(x_XD, plan, perToken), [-1, plan.blockLength, dModel]);
    const y_ZPD = mergedFfn(blockExperts(experts, plan), x_ZPD);
    const y_AD = collect(tf.reshape(y_ZPD, [-1, dModel]), plan);
    const weighted = tf.mul(tf.reshape(y_AD, [tokens, perToken, dModel]), tf.expandDims(weights_XK, 2));
    return tf.sum(weighted, 1);
  });
}

/** Blocks that are enough for any choice, and their length in tokens: `blocks blockLength` places are computed, whatever is chosen. */
export function dispatchBlocks(assignments: number, numExperts: number): { blockLength: number; blocks: number } {
  const blockLength = Math.min(LARGEST_BLOCK, Math.ceil(assignments / (4 * numExperts)));
  const blocks = Math.floor((assignments + numExperts * (blockLength - 1)) / blockLength);
  return { blockLength, blocks };
}

function planOf(chosen_XKE: tf.Tensor3D): Plan {
  const [tokens, perToken, numExperts] = chosen_XKE.shape;
  const assignments = tokens * perToken;
  const { blockLength, blocks } = dispatchBlocks(assignments, numExperts);
  const chosen_AE = tf.reshape(chosen_XKE, [assignments, numExperts]);
  const earlier_AE = tf.cumsum(chosen_AE, 0, true);
  const blocks_E = tf.ceil(tf.div(tf.sum(chosen_AE, 0), blockLength));
  const firstBlock_E = tf.cumsum(blocks_E, 0, true);
  // An expert's first place, and how many of its assignments stand before.
  const place_AE = tf.mul(chosen_AE, tf.add(earlier_AE, tf.mul(firstBlock_E, blockLength)));
  const place_A = tf.cast(tf.sum<tf.Tensor1D>(place_AE, 1), "int32");
  const numbers_A = tf.range(1, assignments + 1, 1, "int32");
  const marks_S = tf.scatterND(tf.reshape(place_A, [assignments, 1]), numbers_A, [blocks * blockLength]);
  const block_Z1 = tf.reshape(tf.range(0, blocks, 1, "float32"), [blocks, 1]);
  const isAfterFirst_ZE = tf.greaterEqual(block_Z1, firstBlock_E);
  const isBeforeEnd_ZE = tf.less(block_Z1, tf.add(firstBlock_E, blocks_E));
  return {
    blockLength,
    place_A,
    assignment_S: tf.maximum(tf.sub(marks_S, tf.scalar(1, "int32")), tf.scalar(0, "int32")),
    isUsed_S1: tf.reshape(tf.cast(tf.greater(marks_S, tf.scalar(0, "int32")), "float32"), [-1, 1]),
    expert_ZE: tf.cast(tf.logicalAnd<tf.Tensor2D>(isAfterFirst_ZE, isBeforeEnd_ZE), "float32"),
  };
}

/** Each place's token, [X, D] to [S, D]; some token where a place is unused, since nobody reads what comes of it. */
function spread(x_XD: tf.Tensor2D, { place_A, assignment_S }: Plan, perToken: number): tf.Tensor2D {
  const [tokens, dModel] = x_XD.shape;
  return withGradient<tf.Tensor2D>(
    [x_XD],
    ([x], save) => {
      save([place_A]);
      const token_S = tf.cast(tf.floorDiv(assignment_S, tf.scalar(perToken, "int32")), "int32");
      return tf.gather(x as tf.Tensor2D, token_S);
    },
    (dy_SD, [places]) => [tf.sum(tf.reshape(tf.gather(dy_SD, places as tf.Tensor1D), [tokens, perToken, dModel]), 1)],
  );
}

/** The output of each assignment, [S, D] to [A, D]. */
function collect(y_SD: tf.Tensor2D, { place_A, assignment_S, isUsed_S1 }: Plan): tf.Tensor2D {
  return withGradient<tf.Tensor2D>(
    [y_SD],
    ([y], save) => {
      save([assignment_S, isUsed_S1]);
      return tf.gather(y as tf.Tensor2D, place_A);
    },
    (dy_AD, [assignments, isUsed]) => [tf.mul(tf.gather(dy_AD, assignments as tf.Tensor1D), isUsed)],
  );
}

/** The matrices of each block's expert, [Z, D, 2 F] and [Z, F, D]; some expert's for an unused block. */
function blockExperts({ gateUp_EDG, down_EFD }: ExpertParams, { expert_ZE }: Plan): MergedFfnParams {
  const copies = (bank: tf.Tensor): tf.Tensor =>
    withGradient(
      [bank],
      ([matrices], save) => {
        save([expert_ZE]);
        return tf.gather(matrices, tf.cast(tf.argMax(expert_ZE, 1), "int32"));
      },
      (dy, [experts]) => {
        const [blocks, numExperts] = experts.shape;
        const flat: tf.Tensor2D = tf.reshape(dy, [blocks, -1]);
        return [tf.reshape(tf.matMul(experts as tf.Tensor2D, flat, true), [numExperts, ...dy.shape.slice(1)])];
      },
    );
  return { gateUp_RDG: copies(gateUp_EDG), down_RFD: copies(down_EFD) };
}
