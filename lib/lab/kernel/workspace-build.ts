/** One TypeScript project of this repository, rebuilt in this process when its sources have changed. */
import fs from "node:fs";
import path from "node:path";
import ts from "typescript";

/** Files whose errors are no business of a notebook. */
const isTest = (file: string): boolean => /\.(test|bench)\.ts$/.test(file);

/** Parsed files by name, shared by the projects: each reads the declarations of the one below it. */
export type ParsedFiles = Map<string, { readonly stamp: number | undefined; readonly file: ts.SourceFile | undefined }>;

const stampOf = (file: string): number | undefined => fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs;

export interface BuildResult {
  /** Whether declarations have changed, so that projects above have to be checked again. */
  readonly newDeclarations: boolean;
  /** What is wrong with the sources as they are now, whenever they were built. */
  readonly errors: readonly ts.Diagnostic[];
}

/** Builds like `tsc -b` does, into the same files, but keeps what it has parsed and checked for the next time. */
export class WorkspaceBuild {
  #folder: string;
  #parsed: ParsedFiles;
  #host: ts.CompilerHost | undefined;
  #builder: ts.EmitAndSemanticDiagnosticsBuilderProgram | undefined;
  #stamps: ReadonlyMap<string, number | undefined> | undefined;
  #errors: readonly ts.Diagnostic[] = [];

  /** `folder` holds the project's `tsconfig.json`. */
  constructor(folder: string, parsed: ParsedFiles) {
    this.#folder = folder;
    this.#parsed = parsed;
  }

  /** Rebuilds if a source has changed, or if `force`, since the declarations of a project below have. */
  refresh(force: boolean): BuildResult {
    const config = ts.getParsedCommandLineOfConfigFile(path.join(this.#folder, "tsconfig.json"), undefined, {
      ...ts.sys,
      onUnRecoverableConfigFileDiagnostic: (diagnostic) => {
        throw new Error(ts.flattenDiagnosticMessageText(diagnostic.messageText, "\n"));
      },
    });
    if (config === undefined) throw new Error(`${this.#folder} has no tsconfig.json.`);
    const stamps = new Map(config.fileNames.map((file) => [file, stampOf(file)]));
    const stale = force || this.#isStale(stamps, config.options);
    this.#stamps = stamps;
    const newDeclarations = stale && this.#build(config);
    return { newDeclarations, errors: this.#errors };
  }

  #isStale(stamps: ReadonlyMap<string, number | undefined>, options: ts.CompilerOptions): boolean {
    const before = this.#stamps;
    if (before !== undefined) {
      return stamps.size !== before.size || [...stamps].some(([file, stamp]) => before.get(file) !== stamp);
    }
    const record = options.tsBuildInfoFile ?? "";
    const built = stampOf(record);
    if (built === undefined || [...stamps.values()].some((stamp) => stamp !== undefined && stamp > built)) return true;
    return fs.readFileSync(record, "utf8").includes('"semanticDiagnosticsPerFile"'); // the last build found errors
  }

  /** Returns whether other projects see a difference. */
  #build({ fileNames, options, projectReferences, errors }: ts.ParsedCommandLine): boolean {
    this.#host ??= this.#createHost(options);
    this.#builder ??= ts.readBuilderProgram(options, this.#host);
    const builder = ts.createEmitAndSemanticDiagnosticsBuilderProgram(
      fileNames,
      options,
      this.#host,
      this.#builder,
      errors,
      projectReferences,
    );
    this.#builder = builder;
    const found = [
      ...builder.getConfigFileParsingDiagnostics(),
      ...builder.getOptionsDiagnostics(),
      ...builder.getSyntacticDiagnostics(),
      ...builder.getGlobalDiagnostics(),
      ...semanticDiagnostics(builder),
    ];
    let newDeclarations = false;
    const emitted = builder.emit(undefined, (file, text) => {
      if (writeFile(file, text) && file.endsWith(".d.ts")) newDeclarations = true;
    });
    this.#errors = ts
      .sortAndDeduplicateDiagnostics([...found, ...emitted.diagnostics])
      .filter(({ file, category }) => category === ts.DiagnosticCategory.Error && !isTest(file?.fileName ?? ""));
    return newDeclarations;
  }

  #createHost(options: ts.CompilerOptions): ts.CompilerHost {
    const host = ts.createIncrementalCompilerHost(options);
    const parse = host.getSourceFile.bind(host);
    host.getSourceFile = (name, ...rest) => {
      const stamp = stampOf(name);
      const known = this.#parsed.get(name);
      if (known !== undefined && known.stamp === stamp) return known.file;
      const file = parse(name, ...rest);
      this.#parsed.set(name, { stamp, file });
      return file;
    };
    return host;
  }
}

/** Checks what has changed and what depends on it; the errors of other files are known. Tests are left to `tsc -b`. */
function semanticDiagnostics(builder: ts.EmitAndSemanticDiagnosticsBuilderProgram): ts.Diagnostic[] {
  const ignore = ({ fileName }: ts.SourceFile): boolean => isTest(fileName);
  while (builder.getSemanticDiagnosticsOfNextAffectedFile(undefined, ignore) !== undefined);
  const files = builder.getSourceFiles().filter((file) => !file.isDeclarationFile && !ignore(file));
  return files.flatMap((file) => [...builder.getSemanticDiagnostics(file)]);
}

/** Writes whole or not at all: other kernels load these files. What has not changed keeps its time: false is returned. */
function writeFile(file: string, text: string): boolean {
  const isRecord = file.endsWith(".tsbuildinfo");
  if (!isRecord && fs.existsSync(file) && fs.readFileSync(file, "utf8") === text) return false;
  fs.mkdirSync(path.dirname(file), { recursive: true });
  const partial = `${file}.${process.pid}`;
  fs.writeFileSync(partial, text);
  fs.renameSync(partial, file);
  return true;
}
