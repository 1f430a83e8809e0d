import { describe, expect, it, vi } from "vitest";
import { display, formatDuration, formatRate, kernel, LiveFigure, markdown, Output, table } from ".";
import { fakeKernel, printed, startOutsideNotebook } from "./fake-kernel";

startOutsideNotebook();

describe("display", () => {
  it("shows in a notebook and prints elsewhere", () => {
    markdown("**a**");
    expect(printed).toEqual(["**a**"]);
    const { shown } = fakeKernel();
    display(table([{ a: 1 }]));
    expect(printed).toHaveLength(1);
    expect(shown[0].data["text/html"]).toContain("<table>");
  });

  it("replaces an Output in place", () => {
    const { shown } = fakeKernel();
    const output = new Output();
    output.set({ "text/plain": "1" });
    output.set({ "text/plain": "2" });
    expect(shown.map(({ options }) => options?.update)).toEqual([false, true]);
    expect(shown[0].options?.id).toBe(shown[1].options?.id);
  });

  it("says nothing of an Output outside a notebook", () => {
    new Output().set({ "text/plain": "1" });
    expect(printed).toEqual([]);
    expect(kernel()).toBeUndefined();
  });
});

describe("LiveFigure", () => {
  it("asks for a figure only when it draws one", () => {
    const { shown } = fakeKernel();
    const figure = vi.fn(() => ({ data: [], layout: { title: { text: "Loss" } } }));
    const live = new LiveFigure(1000);
    for (let i = 0; i < 25; i++) {
      live.draw(figure);
      vi.advanceTimersByTime(100);
    }
    live.draw(figure, true);
    expect(figure).toHaveBeenCalledTimes(4);
    expect(shown[3].data).toEqual({
      "application/vnd.plotly.v1+json": { data: [], layout: { title: { text: "Loss" } } },
      "text/plain": "[figure: Loss]",
    });
  });
});

describe("numbers for people", () => {
  it("are short", () => {
    expect([47.2, 200, 3900, -1].map(formatDuration)).toEqual(["47 s", "3 min 20 s", "1 h 5 min", "0 s"]);
    expect([6120.4, 12.345, 5].map(formatRate)).toEqual(["6,120", "12.3", "5"]);
  });
});
