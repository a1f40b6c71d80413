import tseslint from 'typescript-eslint';

/** A module's constant that is written out: a number, a text, a pattern, a list, a set. */
const WRITTEN_OUT = [
  '[init.type=/^(Literal|UnaryExpression)$/]',
  '[init.type="TemplateLiteral"][init.expressions.length=0]',
  '[init.type="ArrayExpression"][init.elements.length>0]',
  '[init.type="NewExpression"][init.callee.name="Set"][init.arguments.length>0]',
];

/** Such constants have one spelling, UPPER_CASE. */
const CONSTANT_CASE = {
  create: (context) => ({
    [`:matches(Program, ExportNamedDeclaration) > VariableDeclaration[kind="const"] > :matches(${WRITTEN_OUT.map(
      (init) => `VariableDeclarator${init}`,
    ).join(', ')})`]: ({ id }) => {
      if (id.type === 'Identifier' && !/^[A-Z][A-Z0-9_]*$/.test(id.name))
        context.report({ node: id, message: `A constant is spelled in UPPER_CASE: ${id.name}.` });
    },
  }),
};

export default tseslint.config(
  { ignores: ['.build/**', 'outputs/**', 'node_modules/**'] },
  ...tseslint.configs.recommended,
  {
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/ban-ts-comment': 'error',
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      '@typescript-eslint/consistent-type-imports': [
        'error',
        { fixStyle: 'separate-type-imports', disallowTypeAnnotations: false },
      ],
      '@typescript-eslint/member-ordering': [
        'error',
        { default: ['signature', 'field', 'constructor', ['method', 'get', 'set']] },
      ],
      eqeqeq: 'error',
      'max-lines': ['error', { max: 400 }],
      'no-restricted-syntax': [
        'error',
        {
          selector: ':matches(ImportDeclaration, ExportNamedDeclaration)[source.value=/^\\..*\\.js$/]',
          message: "Imports of our own files have no '.js'.",
        },
        {
          selector: ':matches(ImportSpecifier[importKind="type"], ExportSpecifier[exportKind="type"])',
          message: 'Types are imported and exported by a statement of their own: import type { ... }.',
        },
        {
          selector: 'PrivateIdentifier',
          message: "Private members are TypeScript's: private name, not #name.",
        },
      ],
    },
  },
  {
    files: ['lib/**/*.ts', 'data/**/*.ts'],
    plugins: { tunebook: { rules: { 'constant-case': CONSTANT_CASE } } },
    rules: { 'tunebook/constant-case': 'error' },
  },
  { files: ['**/*.cjs'], rules: { '@typescript-eslint/no-require-imports': 'off' } },
);
