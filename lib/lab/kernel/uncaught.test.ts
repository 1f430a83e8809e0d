import { describe, expect, it, vi } from "vitest";
import { Interrupted } from "./interrupt";
import { Uncaught } from "./uncaught";

function uncaught(headless: boolean, running: boolean) {
  const fail = vi.fn();
  const print = vi.fn();
  return { fail, print, errors: new Uncaught({ headless, running: () => running, fail, print }) };
}

const never = new Promise<unknown>(() => undefined);

describe("while a cell runs", () => {
  it("an exception ends it", () => {
    const { errors, fail, print } = uncaught(false, true);
    errors.exception("broken");
    expect(fail).toHaveBeenCalledWith("broken");
    expect(print).not.toHaveBeenCalled();
  });

  it("a rejection counts at its end, unless it was handled by then", async () => {
    const { errors } = uncaught(false, true);
    const [first, second] = [Promise.resolve(1), Promise.resolve(2)];
    errors.rejection("first", first);
    errors.rejection("second", second);
    errors.handled(first);
    expect(await errors.settle()).toEqual({ error: "second" });
    expect(await errors.settle()).toBeUndefined();
  });

  it("an interrupt that reaches nobody is no failure", async () => {
    const { errors, fail } = uncaught(false, true);
    errors.exception(new Interrupted());
    errors.rejection(new DOMException("aborted", "AbortError"), never);
    expect(fail).not.toHaveBeenCalled();
    expect(await errors.settle()).toBeUndefined();
  });
});

describe("between cells", () => {
  it("failures are printed", () => {
    const { errors, print } = uncaught(false, false);
    errors.rejection("late", never);
    errors.exception("later");
    expect(print.mock.calls.map(([, error]) => error as unknown)).toEqual(["late", "later"]);
    expect(errors.takeLate()).toBeUndefined();
  });

  it("the first of them also fails the next cell of a headless run, once", () => {
    const { errors } = uncaught(true, false);
    errors.rejection("late", never);
    errors.exception("later");
    expect(errors.takeLate()).toEqual({ error: "late" });
    expect(errors.takeLate()).toBeUndefined();
  });
});
