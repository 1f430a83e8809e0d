import { afterEach, beforeEach, vi } from "vitest";
import type { KernelBridge, MimeBundle, ShowOptions } from ".";

/** For tests: a kernel that remembers what it was told to show, and a clock that stands still. */

const KEY = Symbol.for("lory.kernel");
const globals = globalThis as { [KEY]?: KernelBridge };

export interface Shown {
  readonly data: MimeBundle;
  readonly options: ShowOptions | undefined;
}

/** Installs a kernel for the test that runs. */
export function fakeKernel() {
  const shown: Shown[] = [];
  const controller = new AbortController();
  globals[KEY] = {
    signal: controller.signal,
    show: (data, options) => shown.push({ data, options }),
    clear: () => undefined,
  };
  return { shown, controller, html: () => shown.map(({ data }) => String(data["text/html"])) };
}

/** What was printed by the test that runs. */
export const printed: unknown[] = [];

/** Before each test of the file: no kernel, nothing printed, time moves only when told to. */
export function startOutsideNotebook(): void {
  beforeEach(() => {
    printed.length = 0;
    vi.spyOn(console, "log").mockImplementation((...args: unknown[]) => void printed.push(...args));
    vi.useFakeTimers({ toFake: ["Date"] });
  });
  afterEach(() => {
    delete globals[KEY];
    vi.useRealTimers();
    vi.restoreAllMocks();
  });
}
