import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { awaitedAt, CellGuard, Interrupted, STEP_MS } from "./interrupt";

const never = (): Promise<never> => new Promise(() => undefined);

async function* countTo(n: number): AsyncGenerator<number> {
  for (let i = 1; i <= n; i++) yield await Promise.resolve(i);
}

async function collect(items: AsyncIterable<unknown>): Promise<unknown[]> {
  const seen: unknown[] = [];
  for await (const item of items) seen.push(item);
  return seen;
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe("an undisturbed cell", () => {
  it("gets what it awaits", async () => {
    const guard = new CellGuard();
    expect(guard.value(3, "cell-1:1")).toBe(3);
    expect(await guard.value(Promise.resolve(4), "cell-1:1")).toBe(4);
    await expect(guard.value(Promise.reject(new Error("no")), "cell-1:1")).rejects.toThrow("no");
  });

  it("iterates over asynchronous and plain items, and awaits the latter", async () => {
    const guard = new CellGuard();
    expect(await collect(guard.items(countTo(3), "cell-1:1"))).toEqual([1, 2, 3]);
    expect(await collect(guard.items([Promise.resolve(1), 2], "cell-1:1"))).toEqual([1, 2]);
  });

  it("closes a generator that it leaves", async () => {
    let closed = false;
    const items = (async function* () {
      try {
        yield* countTo(9);
      } finally {
        closed = true;
      }
    })();
    for await (const item of new CellGuard().items(items, "cell-1:1")) if (item === 2) break;
    expect(closed).toBe(true);
  });

  it("remembers where it awaited what failed", async () => {
    const error = new Error("no");
    await expect(new CellGuard().value(Promise.reject(error), "cell-2:7")).rejects.toBe(error);
    expect(awaitedAt.get(error)).toBe("cell-2:7");
  });
});

describe("an interrupted cell", () => {
  it("stops waiting at once when nobody watches the signal", async () => {
    const guard = new CellGuard();
    const waiting = guard.value(never(), "cell-1:1");
    expect(guard.interrupt()).toBe(true);
    await expect(waiting).rejects.toBeInstanceOf(Interrupted);
  });

  it("awaits nothing more", () => {
    const guard = new CellGuard();
    guard.interrupt();
    expect(() => guard.value(Promise.resolve(), "cell-1:1")).toThrow(Interrupted);
    expect(() => guard.value(1, "cell-1:1")).toThrow(Interrupted);
  });

  it("lets a library that watches the signal end its step, and stops then", async () => {
    const guard = new CellGuard();
    const { signal } = guard;
    let finish = (): void => undefined;
    const waiting = guard.value(new Promise<void>((done) => (finish = done)), "cell-1:1") as Promise<unknown>;
    const outcome = waiting.then(
      () => "went on",
      (error: unknown) => error,
    );
    expect(guard.interrupt()).toBe(false);
    expect(signal.aborted).toBe(true);
    await vi.advanceTimersByTimeAsync(STEP_MS - 1);
    finish();
    expect(await outcome).toBe(signal.reason);
  });

  it("is cut off from a library that does not end its step in time, or at the second interrupt", async () => {
    for (const cut of [() => vi.advanceTimersByTime(STEP_MS), (guard: CellGuard) => guard.interrupt()]) {
      const guard = new CellGuard();
      void guard.signal;
      const waiting = guard.value(never(), "cell-1:1");
      expect(guard.interrupt()).toBe(false);
      cut(guard);
      await expect(waiting).rejects.toBeInstanceOf(Interrupted);
    }
  });

  it("tells once that the signal was taken", () => {
    const taken = vi.fn();
    const guard = new CellGuard(taken);
    expect(taken).not.toHaveBeenCalled();
    expect(guard.signal).toBe(guard.signal);
    expect(taken).toHaveBeenCalledTimes(1);
  });

  it("closes the generator that it iterates over, after the step in flight", async () => {
    const guard = new CellGuard();
    let finish = (): void => undefined;
    const log: string[] = [];
    const items = (async function* () {
      try {
        await new Promise<void>((done) => (finish = done));
        log.push("step");
        yield 1;
      } finally {
        log.push("closed");
      }
    })();
    const loop = collect(guard.items(items, "cell-1:1"));
    guard.interrupt();
    await expect(loop).rejects.toBeInstanceOf(Interrupted);
    expect(log).toEqual([]);
    finish();
    await vi.runAllTimersAsync();
    expect(log).toEqual(["step", "closed"]);
  });
});
