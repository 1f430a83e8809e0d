import { describe, expect, it } from "vitest";
import { Lane } from "./lane";

/** A task that ends when it is told to. */
function task(log: string[], name: string) {
  let end = (): void => {};
  const ended = new Promise<void>((resolve) => (end = resolve));
  const run = async (): Promise<string> => {
    log.push(name);
    await ended;
    return name;
  };
  return { run, end };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("Lane", () => {
  it("starts tasks in order, never more at once than it is wide", async () => {
    const lane = new Lane(2);
    const log: string[] = [];
    const tasks = ["a", "b", "c", "d"].map((name) => task(log, name));
    const results = tasks.map(({ run }) => lane.run(run));
    await turn();
    expect(log).toEqual(["a", "b"]);
    tasks[1].end();
    await turn();
    expect(log).toEqual(["a", "b", "c"]);
    for (const { end } of tasks) end();
    expect(await Promise.all(results)).toEqual(["a", "b", "c", "d"]);
  });

  it("goes on after a task that fails", async () => {
    const lane = new Lane(1);
    const failing = lane.run(() => Promise.reject(new Error("broken")));
    const next = lane.run(() => Promise.resolve("next"));
    await expect(failing).rejects.toThrow("broken");
    expect(await next).toBe("next");
    expect(await lane.run(() => Promise.resolve("idle again"))).toBe("idle again");
  });
});
