import readline from "node:readline";
import type { PeerReady, PeerSteps } from "./peer-process";

/** A peer's side of the talk: says so once it is ready, then runs as many steps as each line of its input says. */
export async function answerSteps(ready: PeerReady, run: (count: number) => Promise<PeerSteps>): Promise<void> {
  console.log(JSON.stringify(ready));
  for await (const line of readline.createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await run(Number(line))));
  }
}
