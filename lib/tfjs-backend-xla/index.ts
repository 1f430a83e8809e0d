/**
 * A TensorFlow.js backend for every PJRT device. Importing it registers the backend `xla`; `await tf.setBackend("xla")` selects it.
 * Kernels are recorded and computed when something is read; `jit` compiles a whole function, such as a training step, as one program.
 */
import * as tf from "@tensorflow/tfjs-core";
import { XlaBackend } from "./backend";
import { registerGradients } from "./kernels/gradients";
import { hostElements } from "./kernels/host-elements";
import { registerKernels } from "./kernels/register";
import { openDevice } from "./trace/device";

const NAME = "xla";
if (!tf.findBackendFactory(NAME)) {
  tf.registerBackend(NAME, () => new XlaBackend(openDevice(), hostElements(process.env)), 4);
  registerKernels(NAME);
  registerGradients();
}

export { deviceKind, XlaBackend } from "./backend";
export { jit, type Jitted, type JitOptions } from "./trace/jit";
export * from "./control";
export { DEVICE_KINDS, openDevice, XlaDevice, type DeviceKind, type ProgramOptions } from "./trace/device";
export * from "./fused";
export { currentPrecision, precision, PRECISIONS, type Precision } from "./precision";
export { OutOfMemoryError } from "./trace/out-of-memory";
export * as random from "./random";
export { findPlugin, keepFreedMemory, loadPlugin, PjrtError, PluginError } from "./pjrt";
