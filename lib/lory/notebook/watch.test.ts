import { describe, expect, it, vi } from "vitest";
import { watch } from ".";
import { fakeKernel, printed, startOutsideNotebook } from "./fake-kernel";

startOutsideNotebook();

describe("watch", () => {
  /** A run of `steps` steps of 100 tokens that ends early when told to. */
  function fakeRun(steps: number, loss: number, onStep?: (step: number) => void) {
    return {
      config: { trainTokens: steps * 100 },
      async *train({ signal }: { signal?: AbortSignal }) {
        for (let step = 1; step <= steps && !signal?.aborted; step++) {
          await Promise.resolve();
          vi.advanceTimersByTime(500);
          onStep?.(step);
          yield {
            step,
            tokens: step * 100,
            lossNats: loss,
            tokensPerSecond: 200,
            secondsLeft: step === 1 ? null : (steps - step) / 2,
          };
        }
      },
    };
  }

  it("trains one run after the other and returns their curves", async () => {
    const { shown, html } = fakeKernel();
    const curves = await watch({ dense: fakeRun(4, 6), "8 experts": fakeRun(4, 5) });
    expect(curves.map(({ name, metrics }) => [name, metrics.length])).toEqual([
      ["dense", 4],
      ["8 experts", 4],
    ]);
    expect(curves[1].metrics[3]).toMatchObject({ step: 4, tokens: 400, lossNats: 5 });
    expect(new Set(shown.map(({ options }) => options?.id)).size).toBe(2);
    const bars = html().filter((text) => text.includes("tokens"));
    expect(bars[0]).toContain(">100 / 400 tokens, loss 6.000, 200 tokens/s<");
    expect(bars[0]).toContain("waiting");
    expect(bars[1]).toContain("200 / 400 tokens, loss 6.000, 200 tokens/s, 1 s left");
    expect(bars.at(-1)).not.toContain("waiting");
    const texts = shown.map(({ data }) => String(data["text/plain"])).filter((text) => text.includes("tokens"));
    expect(texts.at(-1)?.split("\n")).toEqual([
      "8 experts: 400 / 400 tokens, loss 5.000, 200 tokens/s",
      "dense: 400 / 400 tokens, loss 6.000, 200 tokens/s",
    ]);
    const figures = shown.filter(({ data }) => "application/vnd.plotly.v1+json" in data);
    expect(figures.length).toBeGreaterThan(2);
    expect(figures.length).toBeLessThan(8);
  });

  it("prints few plain lines outside a notebook", async () => {
    await watch({ dense: fakeRun(100, 6) });
    expect(printed.length).toBeLessThan(8);
    expect(printed.at(-1)).toBe("dense: 10,000 / 10,000 tokens, loss 6.000, 200 tokens/s");
  });

  it("does not start the next run after an interrupt", async () => {
    const { controller, html } = fakeKernel();
    const second = fakeRun(4, 5);
    const train = vi.spyOn(second, "train");
    const first = fakeRun(9, 6, (step) => step === 3 && controller.abort(new Error("interrupted")));
    await expect(watch({ dense: first, "8 experts": second })).rejects.toThrow("interrupted");
    expect(train).not.toHaveBeenCalled();
    expect(html().join()).toContain("300 / 900 tokens");
  });
});
