/**
 * `{ a }` with an `a` of an earlier cell, written out. tslab turns names of earlier cells into `exports.a`, but the name in a
 * shorthand property stands for the property as well, and tslab leaves it as it is: the cell would fail.
 */
import ts from "typescript";

/** `isEarlier` says whether a declaration of that file stands for one of an earlier cell. */
export function expandShorthands(
  checker: ts.TypeChecker,
  isEarlier: (file: string) => boolean,
): ts.TransformerFactory<ts.SourceFile> {
  return (context) => (file) => {
    const { factory } = context;
    const visit: ts.Visitor = (original) => {
      const node = ts.visitEachChild(original, visit, context);
      if (!ts.isShorthandPropertyAssignment(node)) return node;
      const symbol = checker.getShorthandAssignmentValueSymbol(original);
      if (symbol?.declarations?.some((declaration) => isEarlier(declaration.getSourceFile().fileName)) !== true)
        return node;
      const value = factory.createPropertyAccessExpression(factory.createIdentifier("exports"), node.name.text);
      const standard = node.objectAssignmentInitializer; // `({ a = 1 } = …)`
      const target = standard === undefined ? value : factory.createAssignment(value, standard);
      return factory.createPropertyAssignment(node.name.text, target);
    };
    return ts.visitEachChild(file, visit, context);
  };
}
