import * as tf from "@tensorflow/tfjs-core";
import { EXACT, expectClose } from "tfjs-backend-xla/testing";
import { beforeAll, test } from "vitest";
import { useTestBackend } from "../testing";
import { documentIds } from "./document-ids";

beforeAll(useTestBackend);

test("a document goes up to the token that ends it, and ends of nothing are documents too", () => {
  const tokens_BL = tf.tensor2d(
    [
      [3, 7, 4, 4, 7, 1],
      [7, 7, 2, 0, 0, 7],
      [1, 2, 3, 4, 5, 6],
    ],
    [3, 6],
    "int32",
  );
  const expected = { shape: [3, 6], values: [[0, 0, 1, 1, 1, 2], [0, 1, 2, 2, 2, 2], [0, 0, 0, 0, 0, 0]].flat() }; // prettier-ignore
  expectClose(documentIds(tokens_BL, 7), { ...expected, dtype: "int32" }, EXACT);
});
