import { createHash } from "node:crypto";
import {
  encodeCompileOptions,
  PjrtError,
  type Client,
  type CompileOptions,
  type Executable,
  type Plugin,
} from "../pjrt";
import { decodeEntry, encodeEntry, entryName, type KeyParts } from "./entry";
import { cacheFolder, cacheLimitBytes } from "./folder";
import { identityOf } from "./identity";
import { pluginHash } from "./plugin-hash";
import { EntryStore } from "./store";

/** A program to be compiled. */
export interface Source {
  readonly module: string;
  readonly options: CompileOptions;
}

/**
 * Programs compiled before, by this process or another, on disk. What is loaded was compiled from the same text with the same options
 * by the same plugin for the same kind of device and processor, and has not changed by a bit since.
 */
export class CompileCache {
  /** Made on first use: the plugin's hash takes a moment. */
  #identity: KeyParts | undefined;

  constructor(
    private readonly client: Client,
    private readonly plugin: Plugin,
    private readonly store: EntryStore,
    private readonly kernelsHash: string,
  ) {}

  /** The program, if it has been compiled before. */
  load(source: Source): Executable | undefined {
    const parts = this.#parts(source);
    const content = this.store.read(entryName(parts));
    const bytes = content && decodeEntry(content, parts);
    return bytes && orNothing(() => this.client.deserialize(bytes, source.options));
  }

  /** Like {@link load}; the event loop stays free. */
  async loadAsync(source: Source): Promise<Executable | undefined> {
    const parts = this.#parts(source);
    const content = await this.store.readAsync(entryName(parts));
    const bytes = content && decodeEntry(content, parts);
    return bytes && this.client.deserializeAsync(bytes, source.options).catch(refused);
  }

  /** Keeps a program for the next time. A plugin that cannot serialize it keeps nothing. */
  save(source: Source, program: Executable): void {
    const bytes = orNothing(() => program.serialize());
    if (bytes) this.#write(source, bytes);
  }

  /** Like {@link save}; the event loop stays free. */
  async saveAsync(source: Source, program: Executable): Promise<void> {
    const bytes = await program.serializeAsync().catch(refused);
    if (bytes) this.#write(source, bytes);
  }

  #write(source: Source, bytes: Uint8Array): void {
    const parts = this.#parts(source);
    this.store.write(entryName(parts), encodeEntry(parts, bytes));
  }

  #parts({ module, options }: Source): KeyParts {
    this.#identity ??= identityOf(this.client, this.plugin, {
      plugin: pluginHash(this.plugin.path, this.store),
      kernels: this.kernelsHash,
    });
    return {
      ...this.#identity,
      program: createHash("sha256").update(module).digest("hex"),
      options: encodeCompileOptions(options).toString("hex"),
    };
  }
}

/**
 * The cache that the environment asks for. With flags that make XLA write what it compiles, everything is compiled.
 *
 * @param kernelsHash of the native code that programs call by name; empty if there is none
 */
export function openCache(
  client: Client,
  plugin: Plugin,
  environment = process.env,
  kernelsHash = "",
): CompileCache | undefined {
  const folder = cacheFolder(environment);
  if (folder === undefined || environment.XLA_FLAGS?.includes("xla_dump")) return undefined;
  return new CompileCache(client, plugin, new EntryStore(folder, cacheLimitBytes(environment)), kernelsHash);
}

function orNothing<T>(attempt: () => T): T | undefined {
  try {
    return attempt();
  } catch (error) {
    return refused(error);
  }
}

/** The plugin's refusal of a program is no reason to fail: it can be compiled. */
function refused(error: unknown): undefined {
  if (!(error instanceof PjrtError)) throw error;
  return undefined;
}
