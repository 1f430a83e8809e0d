import path from "node:path";

/** Frames of these belong to the machinery: this package's own sources and tfjs. */
const OWN_FOLDER = path.dirname(__dirname) + path.sep;

/** As many frames as lie between a user's line and a kernel that a gradient calls. */
const FRAMES = 30;

/** Where in the caller's program something happened: remembered for little, and found when it is asked for. */
export class CallSite {
  declare private readonly stack?: string;

  constructor() {
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = FRAMES;
    Error.captureStackTrace(this, CallSite);
    Error.stackTraceLimit = limit;
  }

  /** `file:line:column` of the innermost frame outside of this package and tfjs; `an unknown line` if there is none. */
  place(): string {
    const places = (this.stack ?? "").split("\n").flatMap((line) => /([^\s()]+:\d+:\d+)\)?$/.exec(line)?.[1] ?? []);
    const site = places.map((place) => place.replace(/^file:\/\//, "")).find(isCallers);
    return site ?? "an unknown line";
  }
}

const isCallers = (place: string): boolean =>
  !place.startsWith("node:") &&
  !place.includes(`${path.sep}node_modules${path.sep}`) &&
  (!place.startsWith(OWN_FOLDER) || /\.test\.[jt]s:/.test(place));
