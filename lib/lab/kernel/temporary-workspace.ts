/** For tests: a small copy of this repository's layout, with the kernel as its sources are now and a library to be edited. */
import fs from "node:fs";
import path from "node:path";
import ts from "typescript";

const REPOSITORY = path.resolve(__dirname, "../../..");

const TSCONFIG = {
  compilerOptions: {
    composite: true,
    target: "ES2022",
    lib: ["ESNext"],
    module: "Node16",
    moduleResolution: "Node16",
    strict: true,
    skipLibCheck: true,
    sourceMap: true,
    types: ["node"],
  },
  files: [],
};

const PACKAGE = {
  version: "0.0.0",
  main: "dist/index.js",
  types: "dist/index.d.ts",
  exports: {
    ".": { types: "./dist/index.d.ts", default: "./dist/index.js" },
    "./*": { types: "./dist/*/index.d.ts", default: "./dist/*/index.js" },
  },
};

/** `lib` below its folder looks like this repository's; it lies inside it, so that installed packages are found. */
export class TemporaryWorkspace {
  readonly root: string;

  constructor() {
    const cache = path.join(REPOSITORY, ".cache");
    fs.mkdirSync(cache, { recursive: true });
    this.root = fs.mkdtempSync(path.join(cache, "workspace-"));
    this.write("tsconfig.json", JSON.stringify(TSCONFIG));
    this.write("notebooks/README.md", "Cells run here.\n");
    this.#compileKernel();
    this.#addPackage("tfjs-backend-xla", "tfjs-backend-xla", []);
    this.#addPackage("lory", "lory", ["../tfjs-backend-xla"]);
  }

  get kernelMain(): string {
    return path.join(this.root, "lib/lab/dist/kernel/main.js");
  }

  get notebooks(): string {
    return path.join(this.root, "notebooks");
  }

  /** Writes a file by its path from the root. Its time is later than that of every build before. */
  write(file: string, text: string): void {
    const target = path.join(this.root, file);
    fs.mkdirSync(path.dirname(target), { recursive: true });
    fs.writeFileSync(target, text);
  }

  read(file: string): string {
    return fs.readFileSync(path.join(this.root, file), "utf8");
  }

  /** Builds the library as `npm run build` does. */
  build(): void {
    const projects = ["tfjs-backend-xla", "lory"].map((name) => path.join(this.root, "lib", name));
    const host = ts.createSolutionBuilderHost(ts.sys, undefined, (diagnostic) => {
      throw new Error(ts.flattenDiagnosticMessageText(diagnostic.messageText, "\n"));
    });
    ts.createSolutionBuilder(host, projects, {}).build();
  }

  remove(): void {
    fs.rmSync(this.root, { recursive: true, force: true });
  }

  #addPackage(name: string, folder: string, references: readonly string[]): void {
    this.write(`lib/${folder}/package.json`, JSON.stringify({ name, ...PACKAGE }));
    this.write(
      `lib/${folder}/tsconfig.json`,
      JSON.stringify({
        extends: "../../tsconfig.json",
        compilerOptions: { rootDir: ".", outDir: "dist", tsBuildInfoFile: "dist/.tsbuildinfo" },
        include: ["**/*.ts"],
        exclude: ["dist"],
        references: references.map((reference) => ({ path: reference })),
      }),
    );
    const link = path.join(this.root, "node_modules", name);
    fs.mkdirSync(path.dirname(link), { recursive: true });
    fs.symlinkSync(path.join(this.root, "lib", folder), link);
  }

  #compileKernel(): void {
    for (const file of fs.readdirSync(__dirname)) {
      if (!file.endsWith(".ts") || file.endsWith(".test.ts")) continue;
      const source = fs.readFileSync(path.join(__dirname, file), "utf8");
      const compilerOptions = { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022, esModuleInterop: true };
      const { outputText } = ts.transpileModule(source, { fileName: file, compilerOptions });
      this.write(`lib/lab/dist/kernel/${file.replace(/\.ts$/, ".js")}`, outputText);
    }
  }
}
