/** The rewriting of compiled cells that makes their awaits breakable: `await x` becomes `await guard.value(x, "cell-3:7")`. */
import ts from "typescript";
import type { CellGuard } from "./interrupt";

/** Global name through which compiled cells reach their guard. */
const GUARD = "__lory_guard__";

interface AwaitGuard {
  /** `cell` is named where the await stands in the cell itself and not in a function, which other cells may call. */
  value(awaited: unknown, place: string, cell?: string): unknown;
  items<T>(items: AsyncIterable<T> | Iterable<T>, place: string, cell?: string): AsyncIterable<T>;
}

/** Connects compiled cells with their guards. `guardOf` is given the cell's name, or nothing for the cell that runs now. */
export function installGuard(guardOf: (cell?: string) => CellGuard): void {
  const guard: AwaitGuard = {
    value: (awaited, place, cell) => guardOf(cell).value(awaited, place),
    items: (items, place, cell) => guardOf(cell).items(items, place),
  };
  Reflect.set(globalThis, GUARD, guard);
}

export interface Labels {
  /** Names a place for the reader of an error; `line` counts from 0. */
  place(file: string, line: number): string;
  /** The name of the cell that is compiled from `file`, if one is. */
  cell(file: string): string | undefined;
}

export function guardAwaits(labels: Labels): ts.TransformerFactory<ts.SourceFile> {
  return (context) => (file) => {
    const { factory } = context;
    const cell = labels.cell(file.fileName);

    const guarded = (method: keyof AwaitGuard, at: ts.Node, expression: ts.Expression, own: boolean): ts.Expression => {
      const { line } = file.getLineAndCharacterOfPosition(at.getStart(file));
      const callee = factory.createPropertyAccessExpression(factory.createIdentifier(GUARD), method);
      const names = [labels.place(file.fileName, line), ...(own && cell !== undefined ? [cell] : [])];
      const texts = names.map((name) => factory.createStringLiteral(name));
      return factory.createCallExpression(callee, undefined, [expression, ...texts]);
    };

    const visitor = (own: boolean): ts.Visitor => {
      const visit: ts.Visitor = (original) => {
        const node = ts.visitEachChild(original, ts.isFunctionLike(original) ? visitor(false) : visit, context);
        if (ts.isAwaitExpression(node)) {
          return factory.updateAwaitExpression(node, guarded("value", original, node.expression, own));
        }
        if (ts.isForOfStatement(node) && node.awaitModifier !== undefined) {
          const items = guarded("items", original, node.expression, own);
          return factory.updateForOfStatement(node, node.awaitModifier, node.initializer, items, node.statement);
        }
        return node;
      };
      return visit;
    };
    return ts.visitEachChild(file, visitor(true), context);
  };
}
