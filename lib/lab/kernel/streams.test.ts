import { PassThrough } from "node:stream";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { redirect, Streams } from "./streams";

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

function recorded(): { streams: Streams<string>; sent: string[][] } {
  const sent: string[][] = [];
  return { streams: new Streams((owner, name, text) => sent.push([owner, name, text])), sent };
}

describe("streams", () => {
  it("send the first text at once and collect what follows soon", () => {
    const { streams, sent } = recorded();
    for (const text of ["a", "b", "c"]) streams.write("cell", "stdout", text);
    expect(sent).toEqual([["cell", "stdout", "a"]]);
    vi.advanceTimersByTime(50);
    expect(sent.slice(1)).toEqual([["cell", "stdout", "bc"]]);
  });

  it("keep the order of streams and of cells", () => {
    const { streams, sent } = recorded();
    streams.write("one", "stdout", "a");
    streams.write("one", "stdout", "b");
    streams.write("one", "stderr", "c");
    streams.write("two", "stderr", "d");
    streams.flush();
    expect(sent).toEqual([
      ["one", "stdout", "a"],
      ["one", "stdout", "b"],
      ["one", "stderr", "c"],
      ["two", "stderr", "d"],
    ]);
  });

  it("do not hold back much text, and send nothing for nothing", () => {
    const { streams, sent } = recorded();
    streams.write("cell", "stdout", "a");
    streams.write("cell", "stdout", "x".repeat(100_000));
    expect(sent).toHaveLength(2);
    streams.write("cell", "stdout", "");
    streams.flush();
    vi.advanceTimersByTime(100);
    expect(sent).toHaveLength(2);
  });
});

describe("a redirected output", () => {
  it("hands over text whole, also where a character is split between two writes", () => {
    const taken: string[] = [];
    const output = new PassThrough() as unknown as NodeJS.WriteStream;
    redirect(output, (text) => taken.push(text) > 0);
    const [first, second] = [Buffer.from("é").subarray(0, 1), Buffer.from("é").subarray(1)];
    output.write(first);
    output.write(second);
    output.write("61", "hex");
    expect(taken.join("")).toBe("éa");
  });

  it("calls back, in each form of the call", async () => {
    const output = new PassThrough() as unknown as NodeJS.WriteStream;
    redirect(output, () => true);
    await new Promise((done) => output.write("a", done));
    await new Promise((done) => output.write("a", "utf8", done));
  });

  it("goes its usual way where nobody takes it", () => {
    const output = new PassThrough();
    redirect(output as unknown as NodeJS.WriteStream, () => false);
    output.write("early");
    expect(String(output.read())).toBe("early");
  });
});
