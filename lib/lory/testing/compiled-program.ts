import * as tf from "@tensorflow/tfjs-core";
import { jit, type XlaBackend } from "tfjs-backend-xla";
import { vi } from "vitest";

/** A program as it goes to the compiler, and the scratch memory that the compiler planned for it. */
export interface CompiledProgram {
  readonly module: string;
  readonly scratchBytes: number;
}

/** The program of `fn` for tensors of the given shapes, on the backend `xla`. It is compiled, and not run. */
export async function compiledProgram(
  fn: (tensors: tf.Tensor[]) => tf.Tensor[],
  shapes: readonly (readonly number[])[],
): Promise<CompiledProgram> {
  const { device } = tf.backend() as XlaBackend;
  const compile = vi.spyOn(device, "compileAsync");
  try {
    await jit(fn).prepare(shapes.map((shape) => tf.zeros([...shape])));
    const [module] = compile.mock.lastCall!;
    return { module, scratchBytes: device.compile(module).memory().temporaryBytes };
  } finally {
    compile.mockRestore();
  }
}
