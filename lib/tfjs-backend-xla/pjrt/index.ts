/**
 * The PJRT C API from TypeScript: what XLA's plugins offer, with nothing of tensors in it.
 *
 * {@link findPlugin} says where the plugin of a kind of device is installed and {@link loadPlugin} loads it. Its
 * {@link Client} compiles StableHLO modules to {@link Executable}s and copies arrays to {@link DeviceBuffer}s.
 * Executions are enqueued: outputs come back at once, and reading them waits without blocking the event loop.
 * Errors of XLA are {@link PjrtError}s with its own message; unusable plugins are {@link PluginError}s.
 *
 *     const client = openClient("cpu");
 *     const program = await client.compile(stableHloText);
 *     const [sum] = program.execute([client.bufferFromHost(new Float32Array([1, 2]), "f32", [2])]);
 *     await sum.toHost();
 *
 * Native objects are freed by `destroy()`, or some time after they were dropped.
 */
export { DeviceBuffer } from "./buffer";
export { Client, type Holding } from "./client";
export { checkCustomCalls } from "./custom-calls";
export { Device, type MemoryStats } from "./device";
export { PjrtError, PluginError } from "./errors";
export { Executable, type ExecutableMemory, type SerializedProgram } from "./executable";
export { findPlugin, type PluginKind } from "./find";
export { loadLibrary, symbolAddress, type SharedLibrary } from "./library";
export { keepFreedMemory } from "./malloc";
export { ProgramError } from "./program-error";
export { checkProgramText } from "./program-text";
export { type NamedValue } from "./named-values";
export { openClient } from "./open";
export { encodeCompileOptions, type CompileOptions } from "./options";
export { type ApiVersion, type ClientOptions, loadPlugin, Plugin } from "./plugin";
export { ELEMENT_TYPES, elementCount, type ElementType, type TypedArray } from "./types";
