import { ProgramError } from "./program-error";

/** What the value of a configuration's key is. */
type ValueKind = "string" | "integer" | "boolean";

/** How a target has to be called. What else is wrong with a call, XLA reports itself. */
interface Callee {
  readonly operands?: number;
  /** Versions of the calling convention, as StableHLO's `api_version` numbers them. */
  readonly versions: readonly number[];
  /** Keys that its `backend_config` must have: XLA reads them without looking whether they are there. */
  readonly config?: Readonly<Record<string, ValueKind>>;
}

/** XLA's own marks of shardings, which compile to nothing or to the data's way between devices. */
const SHARDING: Callee = { operands: 1, versions: [1, 2, 3, 4] };
const EVERYWHERE: Readonly<Record<string, Callee>> = {
  Sharding: SHARDING,
  SPMDFullToShardShape: SHARDING,
  SPMDShardToFullShape: SHARDING,
};

const GRID = { grid_x: "integer", grid_y: "integer", grid_z: "integer" } as const;
const BLOCK = { block_x: "integer", block_y: "integer", block_z: "integer" } as const;

/** By platform, what a program may call by name beside that. */
const CALLEES: Readonly<Record<string, Readonly<Record<string, Callee>>>> = {
  cpu: {
    tfjs_xla$product: {
      operands: 2,
      versions: [4],
      config: { a_turned: "boolean", b_turned: "boolean", bf16: "boolean" },
    },
  },
  cuda: {
    __cudnn$fmhaSoftmax: { operands: 3, versions: [2] },
    __cudnn$fmhaSoftmaxBackward: { operands: 6, versions: [2] },
    __cudnn$fmhaScaleBiasSoftmax: { operands: 4, versions: [2] },
    __cudnn$fmhaScaleBiasSoftmaxBackward: { operands: 7, versions: [2] },
    "__gpu$xla.gpu.ptx": {
      versions: [4],
      config: { name: "string", kernel_type: "string", kernel_data: "string", ...GRID, ...BLOCK },
    },
    "__gpu$xla.gpu.triton": {
      versions: [4],
      config: { name: "string", ir: "string", num_stages: "integer", num_warps: "integer", ...GRID },
    },
  },
};

/** Operations that call by name; in other dialects they are not taken. */
const CALL = /^(stablehlo|mhlo)\.custom_call$/;
/** The specification's, where a call names none. */
const DEFAULT_VERSION = 1;

/** Comments, strings, symbols, values, words with their dots, and what stands between. */
const TOKEN = /\/\/[^\n]*|@?"[^"\\]*(?:\\[^][^"\\]*)*"|@[\w$.-]+|%[\w$.#-]+|-?[\w$.]+|[=(){}[\],]/g;

/** A call as it is written. */
interface Call {
  target: string | undefined;
  readonly operands: number;
  /** Of the attributes and of the configuration in them, by name; the first of each. */
  readonly values: ReadonlyMap<string, string>;
}

/**
 * Reads a module's custom calls. Targets that XLA does not know are errors of its own; those that it uses inside expect calls that its own
 * passes made, and end the process at others. So a program may call only what is listed for its platform, and in the way that is expected.
 *
 * @param text a module in MLIR's text form
 * @param platform such as `cpu`
 * @throws {ProgramError} if a target is none that a program may call there, or is called otherwise; if a name is written with escapes or
 * stands in an alias; or if a function that a call names is not in the module
 */
export function checkCustomCalls(text: string, platform: string): void {
  // A name with escapes would be no name here, and one for XLA.
  if (text.includes("\\") && /"[\w.]*\\[\w.\\]*"\s*[(=]/.test(text))
    throw new ProgramError("the name of an operation or of an attribute is written with escapes: write it plainly");
  if (!/custom_call|call_target_name|called_computations/.test(text)) return;
  const tokens = (text.match(TOKEN) ?? []).filter((token) => !token.startsWith("//"));
  const names = tokens.map(unquoted);
  const starts = names.flatMap((name, i) => (CALL.test(name) ? [i] : []));
  checkNames(tokens, names, platform);
  starts.forEach((start, i) => checkCall(callAt(tokens, names, start, starts[i + 1] ?? tokens.length), platform));
}

/** Every target that is named anywhere, and every function that is. */
function checkNames(tokens: readonly string[], names: readonly string[], platform: string): void {
  const functions = new Set(names.flatMap((name, i) => (name === "func.func" ? functionName(tokens, i) : [])));
  names.forEach((name, i) => {
    if (tokens[i + 1] !== "=") return;
    if (name === "call_target_name") {
      if (!tokens[i + 2]?.startsWith('"'))
        throw new ProgramError("the target of a custom call is an alias: write its name where it is called");
      calleeOf(unquoted(tokens[i + 2]), platform);
    }
    if (name !== "called_computations") return;
    for (let at = i + 3; at < tokens.length && tokens[at] !== "]"; at++) {
      const called = tokens[at].startsWith("@") ? unquoted(tokens[at]) : undefined;
      if (called !== undefined && !functions.has(called))
        throw new ProgramError(`a custom call names the function ${called}, which is not in the program`);
    }
  });
}

function functionName(tokens: readonly string[], at: number): string[] {
  const name = tokens.slice(at + 1, at + 3).find((token) => token.startsWith("@"));
  return name === undefined ? [] : [unquoted(name)];
}

/** The call that begins at a token; its attributes end where the next call begins at the latest. */
function callAt(tokens: readonly string[], names: readonly string[], start: number, end: number): Call {
  const isNamed = tokens[start + 1]?.startsWith("@");
  const values = new Map<string, string>();
  for (let i = start + 1; i + 2 < end; i++)
    if (tokens[i + 1] === "=" && !values.has(names[i])) values.set(names[i], tokens[i + 2]);
  const target = isNamed ? unquoted(tokens[start + 1]) : values.get("call_target_name");
  const open = tokens.indexOf("(", start);
  const operands = tokens.slice(open, tokens.indexOf(")", open)).filter((token) => token.startsWith("%")).length;
  return { target: target === undefined ? undefined : unquoted(target), operands, values };
}

function checkCall({ target, operands, values }: Call, platform: string): void {
  if (target === undefined) return; // which XLA reports
  const { operands: expected, versions, config = {} } = calleeOf(target, platform);
  const wrong = (text: string): ProgramError => new ProgramError(`a custom call of "${target}" ${text}`);
  if (expected !== undefined && operands !== expected)
    throw wrong(`has ${operands} operand${operands === 1 ? "" : "s"}: it takes ${expected}`);
  const version = Number(values.get("api_version") ?? DEFAULT_VERSION);
  if (!versions.includes(version)) throw wrong(`has api_version ${version}: expected ${versions.join(", ")}`);
  for (const [key, kind] of Object.entries(config)) {
    const value = values.get(key);
    if (value === undefined) throw wrong(`has no "${key}" in its backend_config: expected ${article(kind)}`);
    if (!IS_KIND[kind].test(value))
      throw wrong(`has ${value} as "${key}" in its backend_config: expected ${article(kind)}`);
  }
}

const IS_KIND = { string: /^"/, integer: /^-?\d+$/, boolean: /^(true|false)$/ } satisfies Record<ValueKind, RegExp>;

const article = (kind: ValueKind): string => (kind === "integer" ? "an integer" : `a ${kind}`);

function calleeOf(target: string, platform: string): Callee {
  const known = { ...EVERYWHERE, ...CALLEES[platform] };
  if (Object.hasOwn(known, target)) return known[target];
  throw new ProgramError(
    `a custom call of "${target}": what a program for ${platform} may call is ${Object.keys(known).join(", ")}`,
  );
}

const unquoted = (token: string): string => token.replace(/^@?"(.*)"$/s, "$1").replace(/^@/, "");
