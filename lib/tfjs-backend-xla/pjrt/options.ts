/**
 * Compile options as XLA's CompileOptionsProto (xla/pjrt/proto/compile_options.proto), in protocol buffers' wire format.
 */

/** How a program is compiled. */
export interface CompileOptions {
  /** Devices that one copy of the program is split over; 1 by default. */
  readonly numPartitions?: number;
  /** Copies of the program, each on devices of its own; 1 by default. */
  readonly numReplicas?: number;
  /** Whether shardings are written in the Shardy dialect (`sdy`) rather than as `mhlo.sharding`; false by default. */
  readonly useShardy?: boolean;
  /** XLA's flags by name, such as `xla_cpu_enable_fast_math`; XLA refuses unknown ones. */
  readonly overrides?: Readonly<Record<string, string | number | boolean>>;
}

const WIRE_VARINT = 0;
const WIRE_FIXED64 = 1;
const WIRE_BYTES = 2;

/** Field numbers, by message. */
const COMPILE_OPTIONS = { executableBuildOptions: 3, envOptionOverrides: 7 };
const BUILD_OPTIONS = { deviceOrdinal: 1, numReplicas: 4, numPartitions: 5, useSpmd: 6, useShardy: 19 };
const MAP_ENTRY = { key: 1, value: 2 };
const OPTION_OVERRIDE = { string: 1, bool: 2, int: 3, double: 4 };

/** XLA picks the device. */
const ANY_DEVICE = -1;

/** Serialized CompileOptionsProto. Throws a RangeError when a count is not a positive integer. */
export function encodeCompileOptions(options: CompileOptions = {}): Buffer {
  const { numPartitions = 1, numReplicas = 1, useShardy = false, overrides = {} } = options;
  for (const [name, count] of Object.entries({ numPartitions, numReplicas })) {
    if (!Number.isInteger(count) || count < 1) throw new RangeError(`${name} is ${count}: expected a positive integer`);
  }
  const build = [
    varintField(BUILD_OPTIONS.deviceOrdinal, ANY_DEVICE),
    varintField(BUILD_OPTIONS.numReplicas, numReplicas),
    varintField(BUILD_OPTIONS.numPartitions, numPartitions),
  ];
  if (numPartitions > 1) build.push(varintField(BUILD_OPTIONS.useSpmd, 1));
  if (useShardy) build.push(varintField(BUILD_OPTIONS.useShardy, 1));
  return Buffer.concat([
    bytesField(COMPILE_OPTIONS.executableBuildOptions, Buffer.concat(build)),
    ...Object.entries(overrides).map(([flag, value]) =>
      bytesField(
        COMPILE_OPTIONS.envOptionOverrides,
        Buffer.concat([
          bytesField(MAP_ENTRY.key, Buffer.from(flag)),
          bytesField(MAP_ENTRY.value, encodeOverride(value)),
        ]),
      ),
    ),
  ]);
}

/** OptionOverrideProto. */
function encodeOverride(value: string | number | boolean): Buffer {
  if (typeof value === "string") return bytesField(OPTION_OVERRIDE.string, Buffer.from(value));
  if (typeof value === "boolean") return varintField(OPTION_OVERRIDE.bool, Number(value));
  if (Number.isSafeInteger(value)) return varintField(OPTION_OVERRIDE.int, value);
  const double = Buffer.alloc(8);
  double.writeDoubleLE(value);
  return Buffer.concat([tag(OPTION_OVERRIDE.double, WIRE_FIXED64), double]);
}

function varintField(field: number, value: number): Buffer {
  return Buffer.concat([tag(field, WIRE_VARINT), varint(value)]);
}

function bytesField(field: number, bytes: Buffer): Buffer {
  return Buffer.concat([tag(field, WIRE_BYTES), varint(bytes.length), bytes]);
}

function tag(field: number, wireType: number): Buffer {
  return varint((field << 3) | wireType);
}

/** Seven bits a byte, least significant first; negative numbers as 64-bit two's complement. */
function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    bytes.push(rest === 0n ? low : low | 0x80);
  } while (rest !== 0n);
  return Buffer.from(bytes);
}
