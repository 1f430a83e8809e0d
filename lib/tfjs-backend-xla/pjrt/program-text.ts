/**
 * What a program's text must not be, since it would end the process: XLA's parser and compiler are recursive and trust much of what they
 * read. All else that is wrong with a text, XLA reports itself. Each rule stands for a crash that was seen.
 */
import { ProgramError } from "./program-error";

/** Brackets inside of each other. The parser takes some 3000 on its stack; programs of loops in loops have a few dozens. */
const MAX_DEPTH = 500;
/** Elements of a tensor: XLA computes sizes in 64 bits, and gives up where they overflow. */
const MAX_ELEMENTS = Number.MAX_SAFE_INTEGER;

/** A function of the module, as far as it has been read. */
interface FunctionText {
  readonly name: string;
  /** Brackets that are open where it begins. */
  readonly depth: number;
  readonly isPrivate: boolean;
  hasBody: boolean;
  /** Symbols that its body names. */
  readonly names: Set<string>;
}

const FUNCTION = /func\.func\s+(private\s+|public\s+|nested\s+)?@("[^"]*"|[\w$.-]+)/y;
const SYMBOL = /@("[^"]*"|[\w$.-]+)/y;
const DIMENSIONS = /(\d+x)+/y;
/** Characters that are looked at: programs have megabytes of others. */
const NOTED = Uint8Array.from({ length: 128 }, (_, code) => Number('"/{}<>()[]@f'.includes(String.fromCharCode(code))));
const IDENTIFIER_CHARACTER = /[\w$.]/;

/**
 * Reads through a module in MLIR's text form. Comments and strings are passed over.
 * @throws {ProgramError} if brackets nest too deeply; a tensor has too many elements; a function has no body, calls itself, directly or by
 * others, or is written in MLIR's generic form; or if `main` is private.
 */
export function checkProgramText(text: string): void {
  const functions: FunctionText[] = [];
  let current: FunctionText | undefined;
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    if (NOTED[text.charCodeAt(i)] !== 1) continue;
    switch (text[i]) {
      case '"': {
        const end = endOfString(text, i);
        if (end - i === 10 && text.startsWith("func.func", i + 1))
          throw new ProgramError("a function is written in MLIR's generic form: write func.func @name(...) { ... }");
        i = end;
        break;
      }
      case "/":
        if (text[i + 1] === "/") i = endOfLine(text, i);
        break;
      case "{":
        if (current?.depth === depth && !current.hasBody && !/attributes\s*$/.test(text.slice(i - 20, i)))
          current.hasBody = true;
        demandDepth(++depth);
        break;
      case "<":
        checkElements(text, i + 1);
        demandDepth(++depth);
        break;
      case "(":
      case "[":
        demandDepth(++depth);
        break;
      case ">":
        if (text[i - 1] !== "-") depth--; // an arrow is no bracket
        break;
      case ")":
      case "]":
        depth--;
        break;
      case "}":
        depth--;
        if (current && depth <= current.depth && current.hasBody) current = undefined;
        break;
      case "@": {
        const [whole, name] = match(SYMBOL, text, i) ?? ["@", ""];
        current?.names.add(unquoted(name));
        i += whole.length - 1;
        break;
      }
      case "f": {
        if (!text.startsWith("func.func", i) || IDENTIFIER_CHARACTER.test(text[i - 1] ?? "")) break;
        const found = match(FUNCTION, text, i);
        if (!found) break;
        const isPrivate = found[1]?.startsWith("private") ?? false;
        current = { name: unquoted(found[2]), depth, isPrivate, hasBody: false, names: new Set() };
        functions.push(current);
        i += found[0].length - 1;
        break;
      }
    }
  }
  checkFunctions(functions);
}

function checkFunctions(functions: readonly FunctionText[]): void {
  for (const { name, hasBody, isPrivate } of functions) {
    if (!hasBody) throw new ProgramError(`the function ${name} has no body: XLA compiles whole programs`);
    if (isPrivate && name === "main") throw new ProgramError("the function main is private: nothing could call it");
  }
  const callees = new Map(functions.map(({ name, names }) => [name, names]));
  const state = new Map<string, "open" | "done">();
  const visit = (name: string): void => {
    if (state.get(name) === "open") throw new ProgramError(`the function ${name} calls itself: XLA inlines all calls`);
    if (state.has(name)) return;
    state.set(name, "open");
    for (const callee of callees.get(name) ?? []) if (callees.has(callee)) visit(callee);
    state.set(name, "done");
  };
  for (const name of callees.keys()) visit(name);
}

function checkElements(text: string, at: number): void {
  const found = match(DIMENSIONS, text, at);
  if (!found) return;
  const elements = found[0]
    .slice(0, -1)
    .split("x")
    .reduce((product, n) => product * Number(n), 1);
  if (elements > MAX_ELEMENTS)
    throw new ProgramError(`a tensor has ${found[0].slice(0, -1)} elements: there can be 2^53 - 1 at most`);
}

function demandDepth(depth: number): void {
  if (depth > MAX_DEPTH) throw new ProgramError(`brackets are nested more than ${MAX_DEPTH} deep`);
}

function match(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

const unquoted = (name: string): string => (name.startsWith('"') ? name.slice(1, -1) : name);

/** The place of the closing quote; the text's end if there is none. */
function endOfString(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === '"') return i;
  }
  return text.length;
}

function endOfLine(text: string, start: number): number {
  const end = text.indexOf("\n", start);
  return end < 0 ? text.length : end;
}
