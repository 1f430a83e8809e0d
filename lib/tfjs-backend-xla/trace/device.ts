import { openClient, type Client, type Executable } from "../pjrt";

export type DeviceKind = "cpu" | "cuda";

/** Where programs run: one PJRT client and its first device, with the programs compiled so far. */
export class XlaDevice {
  readonly client: Client;
  readonly #programs = new Map<string, Executable>();

  /**
   * @param kind which plugin to load.
   * @throws {PluginError} if the plugin is missing or does not fit, saying what to do.
   */
  constructor(readonly kind: DeviceKind) {
    this.client = openClient(kind);
  }

  /** The compiled program, now; blocks while XLA compiles one that is new. */
  compile(module: string): Executable {
    let program = this.#programs.get(module);
    if (!program) this.#programs.set(module, (program = this.client.compileSync(module)));
    return program;
  }

  /** The compiled program; the event loop stays free while XLA compiles. */
  async compileAsync(module: string): Promise<Executable> {
    const known = this.#programs.get(module);
    if (known) return known;
    const program = await this.client.compile(module);
    const raced = this.#programs.get(module);
    if (raced) {
      program.destroy();
      return raced;
    }
    this.#programs.set(module, program);
    return program;
  }

  /** How many programs have been compiled in this process. */
  get programCount(): number {
    return this.#programs.size;
  }
}

/** The device that `XLA_DEVICE` names (`cpu` or `cuda`), else the CPU. */
export function deviceKind(environment: NodeJS.ProcessEnv = process.env): DeviceKind {
  const named = environment.XLA_DEVICE ?? "cpu";
  if (named !== "cpu" && named !== "cuda") throw new Error(`XLA_DEVICE is "${named}"; it is either cpu or cuda`);
  return named;
}
