/**
 * One process of the run, bundled together with tfjs-core and its tests, so that there is one tfjs. It gets the names of test files
 * as arguments and sends an `Outcome` for each case.
 */
import * as tf from "@tensorflow/tfjs-core";
import { setTestEnvs } from "@tensorflow/tfjs-core/dist/jasmine_util";
import "@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops";
import jasmineModule, { type SuiteNode, type SuiteResult } from "jasmine-core/lib/jasmine-core/jasmine.js";
import { XlaBackend } from "../backend";
import "../index";
import { openDevice } from "../trace/device";
import type { Outcome } from "./outcome";
import { TO_COME } from "./to-come";

const CASE_TIMEOUT_MS = 60_000;
const BACKEND = "xla";
/** The exit status of a process that ends early. */
const UNFINISHED = 3;

/** Runs test files: `load` evaluates each, which declares its cases. */
export async function work(load: Readonly<Record<string, () => void>>, files: readonly string[]): Promise<void> {
  const module = jasmineModule;
  const jasmine = module.core(module);
  const environment = jasmine.getEnv();
  Object.assign(globalThis, { jasmine }, module.interface(jasmine, environment));
  jasmine.DEFAULT_TIMEOUT_INTERVAL = CASE_TIMEOUT_MS;
  shareDevice();
  setTestEnvs([{ name: BACKEND, backendName: BACKEND, isDataSync: true }]);
  const fileOf = new Map<string, string>();
  for (const file of files) {
    const before = environment.topSuite().children.length;
    load[file]();
    for (const node of environment.topSuite().children.slice(before)) markTree(node, file, fileOf);
  }

  const sent: Promise<unknown>[] = [];
  const report = ({ id, failedExpectations }: SuiteResult, name: string, status: Outcome["status"]) => {
    const messages = failedExpectations.map(({ message }) => message);
    const outcome: Outcome = { file: fileOf.get(id) ?? "", name, status, messages };
    sent.push(new Promise((resolve) => process.send!(outcome, resolve)));
  };
  const tooLong = (id: string, name: string): boolean =>
    Object.hasOwn(TO_COME.tooLong[fileOf.get(id) ?? ""] ?? {}, name);
  environment.configure({ random: false, specFilter: (spec) => !tooLong(spec.id, spec.getFullName()) });
  environment.addReporter({
    specDone: (spec) => report(spec, spec.fullName, spec.status === "excluded" ? "pending" : spec.status),
    suiteDone: (suite) => {
      if (suite.failedExpectations.length > 0) report(suite, `${suite.fullName} (before or after its cases)`, "failed");
    },
  });
  process.exitCode = UNFINISHED; // until all cases are done: an event loop that runs dry ends a process silently
  await environment.execute();
  await Promise.all(sent);
  process.exitCode = 0;
  process.disconnect();
}

/** Notes the file of a group of cases and of all within. */
function markTree(node: SuiteNode, file: string, fileOf: Map<string, string>): void {
  fileOf.set(node.id, file);
  for (const child of node.children ?? []) markTree(child, file, fileOf);
}

/** The suite makes a new backend for each group of cases: they share the device, and so the compiled programs. */
function shareDevice(): void {
  const device = openDevice();
  tf.removeBackend(BACKEND);
  tf.registerBackend(BACKEND, () => new XlaBackend(device), 4);
}
