/**
 * Functions of native code that programs call by name, through XLA's typed foreign functions.
 * Source: xla/pjrt/c/pjrt_c_api_ffi_extension.h of OpenXLA, version 3.
 */
import type { Api } from "./api";
import { addressOf } from "./memory";

/** PJRT_Extension_Type_FFI */
const FFI = 5;
/** Where PJRT_FFI_Extension has its `register_handler`, after its base of 24 bytes and two other functions; older ones end before it. */
const REGISTER_HANDLER_OFFSET = 40;

/** The plugin may look at names later, too. */
const kept: Buffer[] = [];

/** @returns false if the plugin takes no handlers, else true */
export function registerHandler(api: Api, name: string, handler: bigint, platform: string): boolean {
  const extension = api.extension(FFI);
  if (extension === undefined || extension.sizeBytes < REGISTER_HANDLER_OFFSET + 8) return false;
  const [target, host] = [Buffer.from(name), Buffer.from(platform)];
  kept.push(target, host);
  // PJRT_FFI_Register_Handler_Args, which has no pointer to extensions.
  const traits = 0n;
  const fields = [addressOf(target), target.length, handler, addressOf(host), host.length, traits].map(BigInt);
  const args = BigUint64Array.of(BigInt(8 * (fields.length + 1)), ...fields);
  api.callExtension("FFI_Register_Handler", extension.address + BigInt(REGISTER_HANDLER_OFFSET), args);
  return true;
}
