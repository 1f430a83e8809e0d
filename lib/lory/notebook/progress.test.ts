import { describe, expect, it, vi } from "vitest";
import { progress } from ".";
import { fakeKernel, printed, startOutsideNotebook } from "./fake-kernel";
import { Pace } from "./pace";

startOutsideNotebook();

describe("Pace", () => {
  it("is what happened in the last ten seconds", () => {
    const pace = new Pace();
    expect(pace.perSecond()).toBeUndefined();
    pace.record(1_000_000); // a jump, such as recorded steps that are replayed
    for (let second = 1; second <= 20; second++) {
      vi.advanceTimersByTime(1000);
      pace.record(1_000_000 + 50 * second);
    }
    expect(pace.perSecond()).toBeCloseTo(50);
  });
});

describe("progress", () => {
  async function run(items: Iterable<number>, options: Parameters<typeof progress<number>>[1], msEach = 1000) {
    const seen: number[] = [];
    for await (const item of progress(items, options)) {
      seen.push(item);
      vi.advanceTimersByTime(msEach);
    }
    return seen;
  }

  it("passes every item on and draws one bar in place, with speed and time left", async () => {
    const { shown, html } = fakeKernel();
    const seen = await run([1, 2, 3, 4], {
      label: "train",
      total: 400,
      unit: "tokens",
      position: (item) => 100 * item,
    });
    expect(seen).toEqual([1, 2, 3, 4]);
    expect(new Set(shown.map(({ options }) => options?.id)).size).toBe(1);
    expect(html()[0]).toContain("100 / 400 tokens, 100 tokens/s, 3 s left");
    expect(html()[0]).toContain("width:25.0%");
    expect(html().at(-1)).toContain("400 / 400 tokens, 4 s");
  });

  it("draws no oftener than it has to", async () => {
    const { shown } = fakeKernel();
    await run(
      Array.from({ length: 1000 }, (_, i) => i),
      {},
      1,
    );
    expect(shown.length).toBeGreaterThan(2);
    expect(shown.length).toBeLessThan(12);
  });

  it("prints a line now and then outside a notebook", async () => {
    await run(
      Array.from({ length: 40 }, (_, i) => i),
      { label: "files" },
    );
    expect(printed[0]).toBe("files: 1 / 40, 1/s, 39 s left");
    expect(printed).toHaveLength(4);
    expect(printed.at(-1)).toBe("files: 40 / 40, 40 s");
  });

  it("ends at an interrupt and closes what it reads from", async () => {
    const { controller } = fakeKernel();
    const closed = vi.fn();
    function* source() {
      try {
        for (let i = 0; ; i++) yield i;
      } finally {
        closed();
      }
    }
    const seen: number[] = [];
    const looping = (async () => {
      for await (const item of progress(source())) {
        seen.push(item);
        if (item === 2) controller.abort(new Error("interrupted"));
      }
    })();
    await expect(looping).rejects.toThrow("interrupted");
    expect(seen).toEqual([0, 1, 2]);
    expect(closed).toHaveBeenCalledOnce();
  });

  it("escapes its label", async () => {
    const { html } = fakeKernel();
    await run([1], { label: "<script>" });
    expect(html().join()).not.toContain("<script>");
  });
});
