/**
 * The model card, README.md of a folder: what the hub reads (front matter) and what people read: prompt, data, measures,
 * base, licence, how to load it.
 */
import { requireOptions } from '../../options';
import type { OptionNames } from '../../options';
import type { PromptDescription } from '../../prompts';
import { requireObject } from '../../types';

/** What only the person who trained the model knows of it. */
export interface CardFacts {
  /** Name at the top; default: the folder's. */
  readonly title?: string;
  /** The hub's name of the licence, such as 'mit'; default: the base's, where its folder states one. */
  readonly license?: string;
  /** Of the answers, such as 'en' or ['en', 'de']. */
  readonly language?: string | readonly string[];
  /** Hub ids of data sets. */
  readonly datasets?: readonly string[];
  /** The training data in words: a file, where it is from, how many records. */
  readonly data?: string;
  /** How it was trained, in words; trainers of preferences note it themselves. */
  readonly method?: string;
  /** Where the answers that it learned are from, in words. */
  readonly labels?: string;
  /** Measures on records that it was not trained on: numbers by name; what is no number is left out. */
  readonly metrics?: object;
  /** What the measures were taken on: '160 test records'. */
  readonly measuredOn?: string;
  readonly tags?: readonly string[];
}

/** A card's facts, and what the folder itself says. */
export interface ModelCardOptions extends CardFacts {
  readonly title: string;
  /** What the folder holds. */
  readonly kind: 'model' | 'adapter' | 'gguf' | 'onnx';
  /** Id or folder of the base. */
  readonly base?: string;
  /** Whether the base is a hub id, for the hub to link to. */
  readonly isBaseOnHub?: boolean;
  readonly prompt?: PromptDescription;
}

const OPTIONS: OptionNames<ModelCardOptions> = {
  ...{ title: true, license: true, language: true, datasets: true, data: true, labels: true, metrics: true },
  ...{ measuredOn: true, method: true, tags: true, kind: true, base: true, isBaseOnHub: true, prompt: true },
};

/** A card with this line is tunebook's to write again. */
export const MARK = '<!-- Written by tunebook. Remove this line to keep what you change. -->';

const RELATIONS = { model: 'finetune', adapter: 'adapter', gguf: 'quantized', onnx: 'quantized' } as const;
const LIBRARIES = { model: 'transformers', adapter: 'peft', gguf: 'gguf', onnx: 'transformers.js' } as const;

/** The hub's names of measures that have one. */
const METRIC_TYPES: Readonly<Record<string, string>> = {
  exactMatch: 'exact_match',
  rougeL: 'rouge',
  eval_perplexity: 'perplexity',
};

/**
 * A model card: Hugging Face's front matter, then prompt, data, measures, base, licence and how to load it.
 * @throws TunebookError where an option is unknown
 * @example
 * ```ts
 * import { modelCard } from 'tunebook/pretrained';
 *
 * const card = modelCard({ title: 'race-coach', kind: 'adapter', base: 'gpt2-mini', metrics: { exactMatch: 0.9 } });
 * console.log(card.split('\n').slice(0, 4).join('\n'));
 * ```
 */
export function modelCard(options: ModelCardOptions): string {
  requireObject(options, { where: 'modelCard', what: 'options { title, kind }', fields: ['title', 'kind'] });
  requireOptions<ModelCardOptions>(options, { where: 'modelCard', names: OPTIONS });
  const sections = [
    `# ${options.title}`,
    summary(options),
    ...promptSection(options.prompt),
    ...methodSection(options),
    ...dataSection(options),
    ...measureSection(options),
    ...['## How to load it', loading(options)],
    ...['## Licence', licence(options)],
  ];
  return `---\n${yaml(frontMatter(options)).join('\n')}\n---\n\n${MARK}\n\n${sections.join('\n\n')}\n`;
}

function frontMatter(options: ModelCardOptions): Record<string, unknown> {
  const { kind, license, language, datasets, tags = [], base, isBaseOnHub } = options;
  return {
    ...(license === undefined ? {} : { license }),
    ...(language === undefined ? {} : { language: [language].flat() }),
    library_name: LIBRARIES[kind],
    pipeline_tag: 'text-generation',
    ...(isBaseOnHub === true ? { base_model: base, base_model_relation: RELATIONS[kind] } : {}),
    ...(datasets === undefined ? {} : { datasets }),
    tags: [...new Set(['tunebook', ...tags])],
    ...modelIndex(options),
  };
}

function modelIndex(options: ModelCardOptions): Record<string, unknown> {
  const measures = measuresOf(options);
  if (measures.length === 0) return {};
  const { title, datasets = [], data, measuredOn } = options;
  const dataset = { name: measuredOn ?? data ?? 'held-out records', type: datasets[0] ?? 'private' };
  const metrics = measures.map(([name, value]) => ({ type: typeOf(name), name, value }));
  const results = [{ task: { type: 'text-generation' }, dataset, metrics }];
  return { 'model-index': [{ name: title, results }] };
}

const typeOf = (name: string): string =>
  METRIC_TYPES[name] ?? name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

function measuresOf({ metrics = {} }: CardFacts): [string, number][] {
  return Object.entries(metrics as Readonly<Record<string, unknown>>).flatMap(([name, value]) =>
    typeof value === 'number' && Number.isFinite(value) ? [[name, value]] : [],
  );
}

function summary({ kind, base }: ModelCardOptions): string {
  const what = {
    model: 'A language model tuned with [tunebook](https://www.npmjs.com/package/tunebook)',
    adapter: 'A LoRA adapter made with [tunebook](https://www.npmjs.com/package/tunebook)',
    gguf: 'A language model tuned with tunebook, in GGUF for llama.cpp and Ollama',
    onnx: 'A language model tuned with tunebook, in ONNX for transformers.js',
  }[kind];
  return base === undefined ? `${what}.` : `${what}; its base is \`${base}\`.`;
}

function promptSection(prompt: PromptDescription | undefined): string[] {
  if (prompt === undefined) return [];
  const { form, system, user = '', fields } = prompt;
  const text =
    form === 'instruction'
      ? (prompt.prompt ?? '').replaceAll('{system}', () => system ?? '')
      : `${system === undefined ? '' : `system: ${system}\n`}user: ${user}`;
  const named = fields.map((field) => `\`${field}\``).join(', ');
  const how =
    form === 'instruction'
      ? 'It answers this text, with the fields of a record in their places'
      : "It answers turns in the tokenizer's chat template, with the fields of a record in their places";
  return [
    '## Prompt',
    `${how}${named === '' ? '' : ` (${named})`}. \`tunebook_prompt.json\` says so to tunebook, and \`chat_template.jinja\` ` +
      'writes the same prompt in other tools. Another prompt gets other answers.',
    fenced(text),
  ];
}

/** A code block whose fence no line of the text can close. */
function fenced(text: string, language = 'text'): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}${language}\n${text}\n${fence}`;
}

function methodSection({ method }: CardFacts): string[] {
  return method === undefined ? [] : ['## Training', `${method}.`];
}

function dataSection({ data, labels, datasets = [] }: ModelCardOptions): string[] {
  const lines = [
    ...(data === undefined ? [] : [`Data: ${data}.`]),
    ...(datasets.length === 0 ? [] : [`Data sets: ${datasets.map((id) => `\`${id}\``).join(', ')}.`]),
    ...(labels === undefined ? [] : [`Labels: ${labels}.`]),
  ];
  return lines.length === 0 ? [] : ['## Data', lines.join('\n\n')];
}

function measureSection(options: ModelCardOptions): string[] {
  const measures = measuresOf(options);
  if (measures.length === 0) return [];
  const rows = measures.map(([name, value]) => `| ${name} | ${Number(value.toPrecision(4))} |`);
  const on = options.measuredOn === undefined ? [] : [`On ${options.measuredOn}.`];
  return ['## Measures', ...on, ['| measure | value |', '| --- | --- |', ...rows].join('\n')];
}

function loading({ kind, base = 'BASE', title }: ModelCardOptions): string {
  const js = (lines: readonly string[]): string => fenced(lines.join('\n'), 'ts');
  const sh = (...lines: readonly string[]): string => fenced(lines.join('\n'), 'sh');
  const py = (...lines: readonly string[]): string => fenced(lines.join('\n'), 'python');
  const name = title.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
  const json = JSON.stringify;
  const others =
    'For llama.cpp, Ollama and transformers.js, write it in their forms first: `tunebook export`, `--to gguf`, ' +
    '`--to ollama`, `--to onnx` or `--to web`.';
  switch (kind) {
    case 'model':
      return [
        'In this folder. tunebook:',
        sh(`tunebook generate . "How was it?"`),
        'transformers:',
        py(
          'from transformers import AutoModelForCausalLM, AutoTokenizer',
          'tokenizer, model = AutoTokenizer.from_pretrained("."), AutoModelForCausalLM.from_pretrained(".")',
          'turns = [{"role": "user", "content": "How was it?"}]',
          'ids = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_tensors="pt", return_dict=True)',
          'print(tokenizer.decode(model.generate(**ids, max_new_tokens=96)[0]))',
        ),
        others,
      ].join('\n\n');
    case 'adapter':
      return [
        'In this folder. tunebook:',
        sh(`tunebook generate --model ${base} --adapter . "How was it?"`),
        'PEFT:',
        py(
          'from peft import PeftModel',
          'from transformers import AutoModelForCausalLM, AutoTokenizer',
          `model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(${json(base)}), ".")`,
          'tokenizer = AutoTokenizer.from_pretrained(".")',
        ),
        `${others} With \`--adapter\` the adapter is merged.`,
      ].join('\n\n');
    case 'gguf':
      return [
        'llama.cpp (FILE is the GGUF file):',
        sh('llama-cli -m FILE'),
        'Ollama, where a Modelfile is beside it:',
        sh(`ollama create ${name} -f Modelfile`, `ollama run ${name}`),
      ].join('\n\n');
    case 'onnx':
      return [
        'transformers.js, from a server that has this folder under `models/`:',
        js([
          "import { env, pipeline } from '@huggingface/transformers';",
          "Object.assign(env, { allowLocalModels: true, localModelPath: '/models/' });",
          `const generate = await pipeline('text-generation', ${json(name)});`,
          "console.log(await generate([{ role: 'user', content: 'How was it?' }]));",
        ]),
      ].join('\n\n');
  }
}

function licence({ license, base }: ModelCardOptions): string {
  if (license !== undefined)
    return `\`${license}\`${base === undefined ? '' : `, as far as its base allows (\`${base}\`)`}.`;
  return `Not stated.${base === undefined ? '' : ` That of its base, \`${base}\`, holds at least.`}`;
}

/** YAML of plain values; texts are quoted where YAML could take them for something else. */
function yaml(value: Record<string, unknown>, indent = ''): string[] {
  return Object.entries(value).flatMap(([key, item]) => {
    if (Array.isArray(item)) return [`${indent}${key}:`, ...item.flatMap((one) => yamlItem(one, indent))];
    if (isPlain(item)) return [`${indent}${key}:`, ...yaml(item, `${indent}  `)];
    return [`${indent}${key}: ${scalar(item)}`];
  });
}

function yamlItem(item: unknown, indent: string): string[] {
  if (!isPlain(item)) return [`${indent}- ${scalar(item)}`];
  const lines = yaml(item, `${indent}  `);
  return [`${indent}- ${lines[0].trimStart()}`, ...lines.slice(1)];
}

const isPlain = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const scalar = (value: unknown): string =>
  typeof value === 'string' &&
  /^[A-Za-z][\w./-]*$/.test(value) &&
  !/^(y|n|yes|no|on|off|true|false|null)$/i.test(value)
    ? value
    : JSON.stringify(value);
