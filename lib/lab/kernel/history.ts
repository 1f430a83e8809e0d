/** The cells that this kernel has run, for consoles that search their history. */

/** Content of Jupyter's `history_request`, as far as one session's inputs can answer it. */
export interface HistoryRequest {
  readonly hist_access_type?: string;
  readonly n?: number;
  readonly start?: number;
  readonly stop?: number;
  readonly pattern?: string;
  readonly unique?: boolean;
}

/** Session, cell number, source: Jupyter's form of an entry. Session 0 is the current one. */
export type HistoryEntry = readonly [session: number, line: number, input: string];

/** A pattern with `*` and `?`, as a shell has them. */
function globbed(pattern: string): RegExp {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replace(/\*/g, "[^]*")
    .replace(/\?/g, "[^]");
  return new RegExp(`^${source}$`);
}

export class History {
  #entries: HistoryEntry[] = [];

  add(line: number, input: string): void {
    this.#entries.push([0, line, input]);
  }

  /** The entries that `request` asks for, oldest first. */
  answer(request: HistoryRequest): HistoryEntry[] {
    const { hist_access_type: access = "tail", n = this.#entries.length, start = 0, stop = Infinity } = request;
    if (access === "range") return this.#entries.filter(([, line]) => line >= start && line < stop);
    if (access === "tail") return this.#entries.slice(Math.max(0, this.#entries.length - n));
    const pattern = globbed(request.pattern ?? "*");
    let found = this.#entries.filter(([, , input]) => pattern.test(input));
    if (request.unique === true) found = [...new Map(found.map((entry) => [entry[2], entry])).values()];
    return found.slice(Math.max(0, found.length - n));
  }
}
