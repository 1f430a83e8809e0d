import * as tf from "@tensorflow/tfjs-core";
import path from "node:path";

/** Frames of these belong to the machinery: this package's own sources and tfjs. */
const OWN_FOLDER = path.dirname(__dirname) + path.sep;

/** As many frames as lie between a user's line and a kernel that a gradient calls. */
const DEEP = 30;
/** As many as lie between a user's line and most kernels: walking them takes as long as recording the kernel. */
const SHALLOW = 12;

/** Where in the caller's program something happened: remembered for little, and found when it is asked for. */
export class CallSite {
  declare private readonly stack?: string;

  constructor(frames = DEEP) {
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = frames;
    Error.captureStackTrace(this, CallSite);
    Error.stackTraceLimit = limit;
  }

  /** The line that a kernel is called from; none in a backward pass, where there are many, and no user's line is near. */
  static ofKernel(): CallSite | undefined {
    const { activeTape, gradientDepth } = tf.engine().state;
    return activeTape && gradientDepth === 0 ? undefined : new CallSite(SHALLOW);
  }

  /** `file:line:column` of the innermost frame outside of this package and tfjs; `an unknown line` if there is none near. */
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
