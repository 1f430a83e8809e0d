import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { untilStopped, type StopOptions } from "./stop-signals";

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(console, "log").mockImplementation(() => undefined);
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** Work that goes on until it is stopped, while something happens. */
async function stoppedBy(event: () => void, options: StopOptions = { env: {} }): Promise<number | undefined> {
  const { stopStatus } = await untilStopped(async (signal) => {
    event();
    if (!signal.aborted) throw new Error("goes on");
    return Promise.resolve();
  }, options);
  return stopStatus;
}

it.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
] as const)("%s stops with the status %i", async (name, status) => {
  const before = process.listenerCount(name);
  expect(await stoppedBy(() => process.emit(name, name))).toBe(status);
  expect(process.listenerCount(name)).toBe(before);
});

it("one press that arrives twice is one, a later one ends the process", async () => {
  const before = process.listenerCount("SIGINT");
  const status = await stoppedBy(() => {
    process.emit("SIGINT", "SIGINT");
    vi.advanceTimersByTime(20);
    process.emit("SIGTERM", "SIGTERM");
    expect(process.listenerCount("SIGINT")).toBe(before + 1);
    // Nobody listens then: a signal does what it does without this.
    vi.advanceTimersByTime(1000);
    expect(process.listenerCount("SIGINT")).toBe(before);
  });
  expect(status).toBe(130);
});

it.each([
  ["npm", { npm_command: "exec" }],
  ["the program lory", { LORY_STARTED_BY: "7" }],
])("stops when %s that started it has gone", async (_, env) => {
  let parent = 7;
  const gone = (): void => {
    parent = 1;
    vi.advanceTimersByTime(1000);
  };
  expect(await stoppedBy(gone, { env, parentId: () => parent })).toBe(143);
});

it("goes on when the shell that started it has gone", async () => {
  let parent = 7;
  const gone = (): void => {
    parent = 1;
    vi.advanceTimersByTime(1000);
  };
  await expect(stoppedBy(gone, { env: { LORY_STARTED_BY: "8" }, parentId: () => parent })).rejects.toThrow("goes on");
});
