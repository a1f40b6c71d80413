/** Rules of this project's dialect that no plugin has. */

/** Without `as`, `satisfies` and type assertions. */
function bare(node) {
  return /^TS(As|Satisfies|TypeAssertion)/.test(node?.type) ? bare(node.expression) : node;
}

/** Whether a value is written out: numbers, texts, patterns, and lists, objects, sets and maps of such. */
function isWrittenOut(value) {
  const node = bare(value);
  switch (node?.type) {
    case 'Literal':
      return true;
    case 'UnaryExpression':
      return isWrittenOut(node.argument);
    case 'BinaryExpression':
      return isWrittenOut(node.left) && isWrittenOut(node.right);
    case 'TemplateLiteral':
      return node.expressions.length === 0;
    case 'ArrayExpression':
      return node.elements.length > 0 && node.elements.every(isWrittenOut);
    case 'ObjectExpression':
      return (
        node.properties.length > 0 &&
        node.properties.every((one) => one.type === 'Property' && isWrittenOut(one.value))
      );
    case 'NewExpression':
      return /^(Set|Map)$/.test(node.callee.name) && node.arguments.length > 0;
    default:
      return false;
  }
}

/** A module's constants that are written out have one spelling, UPPER_CASE. */
const CONSTANT_CASE = {
  create: (context) => ({
    ':matches(Program, ExportNamedDeclaration) > VariableDeclaration[kind="const"] > VariableDeclarator': ({
      id,
      init,
    }) => {
      if (id.type === 'Identifier' && isWrittenOut(init) && !/^[A-Z][A-Z0-9_]*$/.test(id.name))
        context.report({ node: id, message: `A constant is spelled in UPPER_CASE: ${id.name}.` });
    },
  }),
};

/** Whether a member is one of a file of Jupyter's or Hugging Face's, which are the snake_case ones. */
const isOfFile = ({ key }) => key?.type === 'Identifier' && key.name.includes('_');

/** Inside it is `undefined`; `null` is compared with, read by `as`, and written to members of files. */
const NO_NULL = {
  create: (context) => {
    const check = (node) => {
      if (node.type === 'Literal' && node.raw !== 'null') return;
      const { parent } = node;
      if (parent.type === 'BinaryExpression' && /^[!=]==?$/.test(parent.operator)) return;
      if (parent.type === 'CallExpression' && parent.callee.object?.name === 'JSON') return;
      for (let at = parent; at; at = at.parent)
        if (isOfFile(at) || (at.type === 'TSAsExpression' && node.type === 'TSNullKeyword')) return;
      context.report({
        node,
        message: "Expected undefined: null is for JSON, Jupyter, Hugging Face's files and other libraries.",
      });
    };
    return { Literal: check, TSNullKeyword: check };
  },
};

export default { rules: { 'constant-case': CONSTANT_CASE, 'no-null': NO_NULL } };
