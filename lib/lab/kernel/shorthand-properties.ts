/**
 * Properties that share a name with what an earlier cell declares. tslab turns names of earlier cells into `exports.a`. The name in a
 * shorthand property stands for the property as well, and tslab leaves it as it is: `{ a }` is written out. In `const { a: b } = value` the name
 * of the property is found to be declared in the earlier cell if the type of `value` is, and tslab makes `{ exports.a: b }` of it: it is
 * written as a string.
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
      if (ts.isBindingElement(node) && node.propertyName !== undefined && ts.isIdentifier(node.propertyName)) {
        const property = factory.createStringLiteral(node.propertyName.text);
        return factory.updateBindingElement(node, node.dotDotDotToken, property, node.name, node.initializer);
      }
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
