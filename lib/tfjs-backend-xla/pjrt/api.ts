import { errorCodeName, PjrtError } from "./errors";
import { koffi } from "./koffi";
import { addressOf, readPointers, readString, Struct, type SlotValue } from "./memory";
import { ARGUMENTS, FUNCTIONS, type FieldOf, type FunctionName } from "./tables";

/** `PJRT_Error* f(Args*)`: the shape of every function in PJRT_Api; null (0) is success. */
interface NativeFunction {
  (argumentsAddress: bigint): number | bigint;
  async(argumentsAddress: bigint, done: (failure: Error | null, error: number | bigint) => void): void;
}

/** A function with its argument struct, to be set and run any number of times. */
export interface PreparedCall<Name extends FunctionName> {
  readonly args: Struct<FieldOf<Name>>;
  /** Calls on this thread. Throws the PjrtError that the plugin reports. */
  readonly run: () => void;
  /** Calls on a worker thread: the event loop stays free. The struct must not be touched before the promise settles. */
  readonly runAsync: () => Promise<void>;
}

/** Offset of the first function pointer in PJRT_Api: size, extensions, and the version struct of 24 bytes. */
export const FUNCTIONS_OFFSET = 40;

/** The functions of one plugin, called by name. */
export class Api {
  readonly #address: bigint;
  readonly #functions = new Map<FunctionName, NativeFunction>();
  /** Structs that a worker thread reads, kept from being collected meanwhile. */
  readonly #inFlight = new Set<Struct<string>>();
  readonly #prototype = koffi.proto("uintptr_t", ["uintptr_t"]);

  /** @param address of the plugin's PJRT_Api, whose version has been checked */
  constructor(address: bigint) {
    this.#address = address;
  }

  /** Prepares a call with these fields set and the others zero. */
  prepare<Name extends FunctionName>(
    name: Name,
    values: Partial<Record<FieldOf<Name>, SlotValue>> = {},
  ): PreparedCall<Name> {
    const native = this.#function(name);
    const args = new Struct<FieldOf<Name>>(ARGUMENTS[name], values);
    return {
      args,
      run: () => {
        const error = native(args.address);
        if (error) throw this.#takeError(name, error);
      },
      runAsync: () =>
        new Promise<void>((resolve, reject) => {
          this.#inFlight.add(args);
          native.async(args.address, (failure, error) => {
            this.#inFlight.delete(args);
            if (failure) reject(failure);
            else if (error) reject(this.#takeError(name, error));
            else resolve();
          });
        }),
    };
  }

  /** Calls once, and returns the argument struct, which holds the results. Throws a PjrtError. */
  call<Name extends FunctionName>(
    name: Name,
    values: Partial<Record<FieldOf<Name>, SlotValue>>,
  ): Struct<FieldOf<Name>> {
    const call = this.prepare(name, values);
    call.run();
    return call.args;
  }

  /** The plugin's extension of a type, as PJRT_Extension_Type numbers them: its address and bytes; nothing if it has none. */
  extension(type: number): { readonly address: bigint; readonly sizeBytes: number } | undefined {
    const [, first] = readPointers(this.#address, 2);
    for (let address = first; address !== 0n;) {
      const [sizeBytes, found, next] = readPointers(address, 3);
      if (Number(BigInt.asIntN(32, found)) === type) return { address, sizeBytes: Number(sizeBytes) };
      address = next;
    }
    return undefined;
  }

  /** Calls a function of an extension, whose pointer lies at an address, with a struct in native form. Throws a PjrtError. */
  callExtension(name: string, pointerAddress: bigint, args: BigUint64Array): void {
    const native = this.#functionAt(pointerAddress);
    const error = native(addressOf(args));
    if (error) throw this.#takeError(name, error);
  }

  /** The text that a function returns in the fields `text` and `text_size`. */
  text<Name extends FunctionName & TextFunction>(
    name: Name,
    values: Partial<Record<FieldOf<Name>, SlotValue>>,
  ): string {
    const args = this.call(name, values) as Struct<string>;
    return readString(args.pointer("text"), args.integer("text_size"));
  }

  /** Turns a PJRT_Error into an exception and frees it. The functions used here return nothing themselves. */
  #takeError(call: string, error: number | bigint): PjrtError {
    const address = BigInt(error);
    const text = new Struct(ARGUMENTS.Error_Message, { error: address });
    this.#function("Error_Message")(text.address);
    const message = readString(text.pointer("message"), text.integer("message_size"));
    const code = new Struct(ARGUMENTS.Error_GetCode, { error: address });
    this.#function("Error_GetCode")(code.address);
    const name = errorCodeName(code.int("code"));
    this.#function("Error_Destroy")(new Struct(ARGUMENTS.Error_Destroy, { error: address }).address);
    return new PjrtError(message, name, call);
  }

  #function(name: FunctionName): NativeFunction {
    let native = this.#functions.get(name);
    if (native === undefined) {
      native = this.#functionAt(this.#address + BigInt(FUNCTIONS_OFFSET + 8 * FUNCTIONS.indexOf(name)));
      this.#functions.set(name, native);
    }
    return native;
  }

  #functionAt(pointerAddress: bigint): NativeFunction {
    return koffi.decode(BigInt(koffi.decode.uint64(pointerAddress)), this.#prototype) as NativeFunction;
  }
}

type TextFunction = {
  [Name in FunctionName]: "text" extends FieldOf<Name> ? Name : never;
}[FunctionName];
