/** The repository's own packages as a notebook sees them: an edit is there when the cell that imports them is run again. */
import fs from "node:fs";
import path from "node:path";
import ts from "typescript";
import { red, type ErrorContent } from "./errors";
import { LoadedModules } from "./loaded-modules";
import { WorkspaceBuild, type ParsedFiles } from "./workspace-build";

interface Workspace {
  readonly name: string;
  readonly folder: string;
  /** Its modules may be loaded anew. Others hold what must not exist twice: device handles, registrations, a browser. */
  readonly reloadable: boolean;
}

/** Folders below `lib`, each after those that it imports. */
const WORKSPACES: readonly Workspace[] = [
  { name: "tfjs-backend-xla", folder: "tfjs-backend-xla", reloadable: false },
  { name: "lory", folder: "lory", reloadable: true },
  { name: "lory-lab", folder: "lab", reloadable: false },
];

export interface LibraryState {
  /** Type errors, after which the cell should not run. */
  readonly error?: ErrorContent;
  /** What the reader should know before the cell runs. */
  readonly notes: readonly string[];
  /** Declaration files that did not exist the last time. */
  readonly created: readonly string[];
  /** Whether modules were forgotten, so that files that import them must be loaded anew. */
  readonly reloaded: boolean;
}

const UNCHANGED: LibraryState = { notes: [], created: [], reloaded: false };

/** The names of packages that `code` mentions in quotes, as imports do. */
function importedNames(code: string): Set<string> {
  return new Set(
    [...code.matchAll(/["'`](tfjs-backend-xla|lory-lab|lory)(?:\/[^"'`]*)?["'`]/g)].map(([, name]) => name),
  );
}

export class Library {
  #root: string;
  #modules: LoadedModules;
  #parsed: ParsedFiles = new Map();
  #builds = new Map<string, WorkspaceBuild>();
  #declarations: Set<string> | undefined;

  /** `root` is the repository's folder. */
  constructor(root: string) {
    this.#root = root;
    this.#modules = new LoadedModules(WORKSPACES.map((workspace) => this.#built(workspace)));
  }

  /** Folders of built JavaScript. */
  get builtFolders(): string[] {
    return WORKSPACES.map((workspace) => this.#built(workspace));
  }

  /** Brings what `code` imports up to date: rebuilds sources that have changed, forgets modules loaded before that. */
  refreshFor(code: string): LibraryState {
    const names = importedNames(code);
    if (names.size === 0) return UNCHANGED;
    const needed = WORKSPACES.slice(0, 1 + WORKSPACES.findLastIndex(({ name }) => names.has(name)));
    const before = this.#declarations ?? this.#listDeclarations();
    const error = this.#rebuild(needed);
    this.#declarations = this.#listDeclarations();
    const created = [...this.#declarations].filter((file) => !before.has(file));
    if (error !== undefined) return { ...UNCHANGED, error, created };
    const reloadable = needed.filter((workspace) => workspace.reloadable);
    const forgotten = reloadable.map((workspace) => this.#modules.forgetChanged(this.#built(workspace)));
    return { notes: this.#restartNotes(needed), created, reloaded: forgotten.some((count) => count > 0) };
  }

  #built({ folder }: Workspace): string {
    return path.join(this.#root, "lib", folder, "dist") + path.sep;
  }

  #rebuild(workspaces: readonly Workspace[]): ErrorContent | undefined {
    let newBelow = false;
    for (const workspace of workspaces) {
      const folder = path.join(this.#root, "lib", workspace.folder);
      const build = this.#builds.get(workspace.name) ?? new WorkspaceBuild(folder, this.#parsed);
      this.#builds.set(workspace.name, build);
      const { newDeclarations, errors } = build.refresh(newBelow);
      if (errors.length > 0) return this.#describe(workspace.name, errors);
      newBelow ||= newDeclarations;
    }
    return undefined;
  }

  #describe(name: string, errors: readonly ts.Diagnostic[]): ErrorContent {
    const text = ts.formatDiagnosticsWithColorAndContext(errors, {
      getCanonicalFileName: (file) => file,
      getCurrentDirectory: () => this.#root,
      getNewLine: () => "\n",
    });
    const evalue = `${name} has ${errors.length} type ${errors.length > 1 ? "errors" : "error"}`;
    return {
      ename: "LibraryError",
      evalue,
      traceback: [red(`LibraryError: ${evalue}`), ...text.trimEnd().split("\n")],
    };
  }

  #restartNotes(workspaces: readonly Workspace[]): string[] {
    const notes: string[] = [];
    for (const workspace of workspaces) {
      if (workspace.reloadable) continue;
      const built = this.#built(workspace);
      const files = this.#modules.changed(built).map((file) => path.relative(built, file).replace(/\.js$/, ".ts"));
      if (files.length === 0) continue;
      notes.push(
        `${workspace.name} has changed (${files.join(", ")}) and is rebuilt, but this kernel has loaded it before and ` +
          "cannot load it twice. Restart the kernel to use the new version.",
      );
    }
    return notes;
  }

  #listDeclarations(): Set<string> {
    const found = WORKSPACES.map((workspace) => this.#built(workspace))
      .filter((folder) => fs.existsSync(folder))
      .flatMap((folder) =>
        fs.readdirSync(folder, { recursive: true, encoding: "utf8" }).map((file) => path.join(folder, file)),
      );
    return new Set(found.filter((file) => file.endsWith(".d.ts")));
  }
}
