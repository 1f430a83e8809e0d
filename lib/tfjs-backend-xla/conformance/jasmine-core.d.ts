/** What is used of jasmine, which tfjs's tests are written for. */
declare module "jasmine-core/lib/jasmine-core/jasmine.js" {
  interface JasmineModule {
    core(module: JasmineModule): Jasmine;
    /** The functions that tests call: describe, it, expect ... */
    interface(jasmine: Jasmine, environment: JasmineEnvironment): Readonly<Record<string, unknown>>;
  }

  interface Jasmine {
    DEFAULT_TIMEOUT_INTERVAL: number;
    getEnv(): JasmineEnvironment;
  }

  interface JasmineEnvironment {
    configure(options: { readonly random: boolean; readonly specFilter: (spec: SpecInfo) => boolean }): void;
    addReporter(reporter: { specDone(result: SpecResult): void; suiteDone(result: SuiteResult): void }): void;
    execute(): Promise<unknown>;
    topSuite(): { readonly children: readonly SuiteNode[] };
  }

  /** A group of cases, or a case, which has no children. */
  export interface SuiteNode {
    readonly id: string;
    readonly children?: readonly SuiteNode[];
  }

  interface SpecInfo {
    readonly id: string;
    getFullName(): string;
  }

  export interface SuiteResult {
    readonly id: string;
    readonly fullName: string;
    readonly failedExpectations: readonly { readonly message: string }[];
  }

  interface SpecResult extends SuiteResult {
    readonly status: "passed" | "failed" | "pending" | "excluded";
  }

  const jasmine: JasmineModule;
  export default jasmine;
}
