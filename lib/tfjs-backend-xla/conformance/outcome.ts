/** What became of a case of tfjs's suite. `pending` are those not run. */
export interface Outcome {
  /** The file of the suite, such as `ops/abs_test.js`. */
  readonly file: string;
  readonly name: string;
  readonly status: "passed" | "failed" | "pending";
  /** Why it failed; empty otherwise. */
  readonly messages: readonly string[];
}
