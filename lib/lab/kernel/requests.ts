/** Jupyter's questions about code, answered from the compiler. */
import { printQuickInfo } from "tslab/dist/inspect.js";
import { isCompleteCode } from "./compiler";
import type { History, HistoryRequest } from "./history";
import type { Runner } from "./runner";

export interface Answer {
  readonly type: string;
  readonly content: object;
}

interface CodeAtCursor {
  readonly code: string;
  /** In Unicode code points, where JavaScript counts UTF-16 units. */
  readonly cursor_pos: number;
}

const toUnits = (code: string, points: number): number => [...code].slice(0, points).join("").length;
const toPoints = (code: string, units: number): number => [...code.slice(0, units)].length;

export class Requests {
  #runner: Runner;
  #history: History;

  constructor(runner: Runner, history: History) {
    this.#runner = runner;
    this.#history = history;
  }

  /** The reply to a request of `type`, or undefined where the protocol has none. */
  answer(type: string, content: object): Answer | undefined {
    switch (type) {
      case "complete_request":
        return { type: "complete_reply", content: this.#complete(content as CodeAtCursor) };
      case "inspect_request":
        return { type: "inspect_reply", content: this.#inspect(content as CodeAtCursor) };
      case "is_complete_request":
        return { type: "is_complete_reply", content: isComplete((content as CodeAtCursor).code) };
      case "history_request": {
        const asked: HistoryRequest = content;
        return { type: "history_reply", content: { status: "ok", history: this.#history.answer(asked) } };
      }
      case "comm_info_request":
        return { type: "comm_info_reply", content: { status: "ok", comms: {} } };
      default:
        return undefined;
    }
  }

  #complete({ code, cursor_pos }: CodeAtCursor): object {
    const { candidates, start, end, original } = this.#runner.complete(code, toUnits(code, cursor_pos));
    const kinds = new Map(original?.entries.map(({ name, kind }) => [name, kind]));
    return {
      status: "ok",
      matches: candidates,
      cursor_start: toPoints(code, start),
      cursor_end: toPoints(code, end),
      metadata: { _jupyter_types_experimental: candidates.map((text) => ({ text, type: kinds.get(text) ?? "" })) },
    };
  }

  #inspect({ code, cursor_pos }: CodeAtCursor): object {
    const at = toUnits(code, cursor_pos);
    const found = this.#runner.inspect(code, at) ?? this.#runner.inspect(code, calleeEnd(code, at));
    const printed = found === undefined ? "" : printQuickInfo(found);
    if (printed === "") return { status: "ok", found: false, data: {}, metadata: {} };
    // That a name is exported by way of another file is of no interest.
    const text = printed.replace(/^\(alias\) ([^]*?)\n(?:import|export) .*/, "$1");
    const [signature, ...notes] = text.split("\n\n");
    const markdown = `\`\`\`typescript\n${signature}\n\`\`\`\n\n${notes.join("\n\n")}`;
    return { status: "ok", found: true, data: { "text/plain": text, "text/markdown": markdown }, metadata: {} };
  }
}

function isComplete(code: string): object {
  const { completed, indent } = isCompleteCode(code);
  return completed ? { status: "complete" } : { status: "incomplete", indent: indent ?? "" };
}

/** Within the parentheses of a call, the position of the last character of what is called. */
export function calleeEnd(code: string, at: number): number {
  let position = at;
  for (let depth = 0; position > 0; position--) {
    const character = code[position - 1];
    if (character === ")") depth++;
    else if (character === "(" && depth-- === 0) break;
  }
  return Math.max(0, position - 2);
}
