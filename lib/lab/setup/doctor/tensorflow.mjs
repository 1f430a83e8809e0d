/** The backend `tensorflow`, which is optional. */
import { hasTensorflow, tensorflowFlag, tensorflowObstacle, VARIANTS } from "../tensorflow.mjs";
import { ask } from "./ask.mjs";

/** @typedef {import("../commands/doctor.mjs").Finding} Finding */
/** @typedef {import("./tensorflow-report.js").TensorflowReport} TensorflowReport */

/** @returns {Promise<Finding[]>} */
export async function tensorflow() {
  const variant = VARIANTS.findLast(hasTensorflow);
  if (variant === undefined) {
    const obstacle = tensorflowObstacle("cpu");
    const mend = `npm run setup -- ${tensorflowFlag("cpu")}`;
    return [
      obstacle
        ? { state: "note", text: `tensorflow: not here. ${obstacle}` }
        : { state: "note", text: "tensorflow: not here", mend },
    ];
  }
  const report = /** @type {TensorflowReport} */ (await ask("tensorflow-report.ts", [], "TensorFlow"));
  if ("device" in report) return [{ state: "ok", text: `tensorflow: ${report.device}` }];
  return [
    { state: "missing", text: `tensorflow: ${report.problem}`, mend: `npm run setup -- ${tensorflowFlag(variant)}` },
  ];
}
