import tseslint from 'typescript-eslint';
import dialect from './eslint-rules.mjs';

/** Files that speak a language with null: JSON and the formats made of it, DOM, and other libraries' interfaces. */
const NULL_SPEAKERS = [
  'lib/dataset/files/{parquet-values,record-types,row}.ts', // rows of data files
  'lib/dataset/splits/split-files.ts', // its manifest
  'lib/display/figures/{figure,render-figure}.ts', // Plotly, DOM
  'lib/engine/{compiled/session,contract/functions,eager/wasm,eager/wasm-kernels}.ts', // ONNX Runtime, TensorFlow.js
  'lib/eval/{evaluate,report-content,types}.ts', // metrics, which are written as JSON
  'lib/hyrox/metrics/{segments,types,verdicts}.ts',
  'lib/export/{proof/llama-cpp,proof/report,web/page-script}.ts', // a report in JSON, llama.cpp
  'lib/generation/{options,model-defaults,text-generator}.ts', // generation_config.json
  'lib/models/weights/load-weights.ts', // a digest of JSON
  'lib/notebook/client/{kernel-client,kernel-exit,kernel-image,process-owner}.ts', // exit codes of Node, a lock file
  'lib/notebook/compiler/{tslab-compiler,tslab-module}.ts', // tslab
  'lib/notebook/format/upgrade-notebook.ts', // nbformat
  'lib/notebook/kernel/{host-cells,kernel-host}.ts', // Node
  'lib/notebook/parameters/{declared-types,parameter-types}.ts', // parameters are JSON
  'lib/notebook/run/{executed-copy,resume,runner}.ts', // nbformat
  'lib/pretrained/{adapters/adapter-config,fresh-process}.ts', // adapter_config.json, an exit code of Node
  'lib/serve/answers/{answer-bodies,api-error}.ts', // OpenAI's answers
  'lib/quantization/config.ts', // quantization_config of config.json
  'lib/types.ts', // what JSON holds
  'lib/tokenizer/{assistant-mask,gpt2-files,pretrained-tokenizer,transformers-js/library-files}.ts', // tokenizer.json, chat templates
  'lib/tokenizer/{python,jinja}/**', // Python's None
  'lib/trainer/{checkpoints/identity,reports/report-page}.ts', // trainer_state.json
];

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
          selector:
            ':matches(ImportDeclaration, ExportNamedDeclaration, ExportAllDeclaration, ImportExpression, TSImportType)' +
            '[source.value=/^\\..*\\.js$/]',
          message: "Imports of our own files have no '.js'.",
        },
        {
          selector: ':matches(ImportSpecifier[importKind="type"], ExportSpecifier[exportKind="type"])',
          message: 'Types are imported and exported by a statement of their own: import type { ... }.',
        },
        {
          selector: 'ExportAllDeclaration[exported=null]',
          message: 'What a door exports is listed by name: export { ... }.',
        },
        {
          selector:
            'PrivateIdentifier, :matches(PropertyDefinition, MethodDefinition)[key.name=/^_/], ' +
            'TSParameterProperty[parameter.name=/^_/]',
          message: "Private members are TypeScript's: private name, not #name or _name.",
        },
      ],
    },
  },
  { plugins: { tunebook: dialect }, rules: { 'tunebook/constant-case': 'error' } },
  { files: ['lib/**/*.ts'], ignores: NULL_SPEAKERS, rules: { 'tunebook/no-null': 'error' } },
  { files: ['**/*.cjs'], rules: { '@typescript-eslint/no-require-imports': 'off' } },
);
