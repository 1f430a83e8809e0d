import { performance } from "node:perf_hooks";
import { vi } from "vitest";

/** Lets a training measure the same time for each of its steps, however long they really take, until mocks are restored. */
export function stepsSeemToTake(stepMs: number): void {
  let nowMs = 0;
  // Looked at twice a step: when it ends, and to see whether a checkpoint is due.
  vi.spyOn(performance, "now").mockImplementation(() => (nowMs += stepMs / 2));
}
