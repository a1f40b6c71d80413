/** A model for Ollama: one GGUF file, an adapter merged into it, and the Modelfile that says how it is asked. */
import path from 'node:path';
import { writeFileAtomic } from '../files';
import type { HasRuntime } from '../models';
import { firstToken, promptOf } from '../prompts';
import type { ChatMessage, PretrainedTokenizer } from '../tokenizer';
import { requireText, TunebookError } from '../types';
import { withGgufSource, writeModel } from './gguf/export-gguf';
import type { ExportGgufOptions } from './gguf/export-gguf';
import { contextLength } from './gguf/families';
import type { ExportOutcome } from './proof/outcome';
import type { ModelSource } from './source/open-source';

const MODEL = 'model.gguf';
const MODELFILE = 'Modelfile';

/** Stand for a turn where the texts around it are looked for. */
const USER = 'turn-5e81';
const SYSTEM = 'turn-5e82';

/**
 * Writes `model.gguf` and `Modelfile` into a folder: `ollama create NAME -f FOLDER/Modelfile`. The template, the system
 * text and what ends an answer are those of the tokenizer's chat template and of generation_config.json.
 * @param model a model at work, a built-in name, a folder or a hub id; undefined: the adapter's base
 * @throws {TunebookError} As `exportGguf`, and for a template that a Modelfile cannot hold.
 * @example
 * ```ts
 * import { writeModelfile } from 'tunebook';
 *
 * const { files } = await writeModelfile('mistral-mini', 'for-ollama', { type: 'q8_0', check: false });
 * console.log(files); // for-ollama/model.gguf, for-ollama/Modelfile
 * ```
 */
export async function writeModelfile(
  model: HasRuntime | string | undefined,
  folder: string,
  options: ExportGgufOptions = {},
): Promise<ExportOutcome> {
  const where = 'writeModelfile';
  requireText(folder, { where, what: 'the path of a folder' });
  const file = path.join(folder, MODELFILE);
  const task = async (source: ModelSource): Promise<ExportOutcome> => {
    const { tokenizer, generationConfig, weights } = source;
    const modelfile = modelfileText({
      ...{ tokenizer, generationConfig },
      contextLength: contextLength(weights.architecture),
    });
    const outcome = await writeModel(source, path.join(folder, MODEL), options);
    await writeFileAtomic(file, modelfile);
    return outcome;
  };
  const outcome = await withGgufSource(model, options, { where, task });
  const [gguf, ...rest] = outcome.files;
  return {
    ...outcome,
    files: [gguf, file, ...rest],
    words: [...outcome.words, `Then: ollama create NAME -f ${file}`],
  };
}

/** What a Modelfile is made of. */
export interface ModelfileParts {
  readonly tokenizer: PretrainedTokenizer;
  /** Content of generation_config.json. */
  readonly generationConfig: Readonly<Record<string, unknown>> | undefined;
  readonly contextLength: number;
}

/** @throws {TunebookError} For a template with `"""` in it. */
export function modelfileText({ tokenizer, generationConfig, contextLength }: ModelfileParts): string {
  const { template, system } = framesOf(tokenizer);
  const own = generationConfig ?? {};
  const stopStrings = [own.stop_strings, promptOf(tokenizer)?.stopStrings]
    .flat()
    .filter((one): one is string => typeof one === 'string');
  const endOfTurn =
    tokenizer.endOfTurnTokenId === undefined ? undefined : tokenizer.idToToken(tokenizer.endOfTurnTokenId);
  const stops = [tokenizer.eosToken, endOfTurn, ...stopStrings].filter((one) => one !== undefined);
  const sampled = own.do_sample === true;
  const numbers: [string, unknown][] = sampled
    ? [
        ['temperature', own.temperature],
        ['top_k', own.top_k],
        ['top_p', own.top_p],
      ]
    : [['temperature', 0]];
  const lines = [
    `FROM ./${MODEL}`,
    `TEMPLATE ${quoted(template)}`,
    ...(system === undefined || system === '' ? [] : [`SYSTEM ${quoted(system)}`]),
    ...[...new Set(stops)].map((stop) => `PARAMETER stop ${JSON.stringify(stop)}`),
    ...numbers
      .filter(([, value]) => typeof value === 'number')
      .map(([name, value]) => `PARAMETER ${name} ${String(value)}`),
    `PARAMETER num_ctx ${contextLength}`,
  ];
  return `${lines.join('\n')}\n`;
}

function quoted(text: string): string {
  if (text.includes('"""'))
    throw new TunebookError(
      'writeModelfile: expected a template and a system text without """, got one with it: a Modelfile cannot hold it.',
    );
  return `"""${text}"""`;
}

/** The texts around a user's turn, in Ollama's template language, and the system text that the template has by itself. */
function framesOf(tokenizer: PretrainedTokenizer): { template: string; system: string | undefined } {
  const prompt = '{{ .Prompt }}';
  if (tokenizer.chatTemplate === undefined) return { template: prompt, system: undefined };
  const bos = firstToken(tokenizer);
  const render = (messages: readonly ChatMessage[]): string => {
    const text = tokenizer.applyChatTemplate(messages, { tokenize: false, addGenerationPrompt: true });
    return text.startsWith(bos) ? text.slice(bos.length) : text; // Ollama's engine adds it
  };
  const plain = render([{ role: 'user', content: USER }]);
  const [before, after] = parts(plain, USER);
  const template = `${literal(before)}${prompt}${literal(after)}`;
  let withSystem: string;
  try {
    withSystem = render([
      { role: 'system', content: SYSTEM },
      { role: 'user', content: USER },
    ]);
  } catch {
    return { template, system: undefined }; // a template that takes no system text
  }
  if (withSystem.split(SYSTEM).length !== 2 || withSystem.indexOf(SYSTEM) > withSystem.indexOf(USER))
    return { template, system: undefined };
  const [head, rest] = parts(withSystem, SYSTEM);
  const [middle, tail] = parts(rest, USER);
  // Without a system text the template may write one of its own, where that of a conversation stands.
  const isOwn = plain.startsWith(head) && plain.endsWith(middle + USER + tail) && head + middle !== '';
  const own = isOwn ? plain.slice(head.length, plain.length - (middle + USER + tail).length) : undefined;
  const inner = `${literal(head)}{{ .System }}${literal(middle)}`;
  const whole =
    own === undefined
      ? `{{ if .System }}${inner}{{ else }}${literal(before)}{{ end }}${prompt}${literal(tail)}`
      : `${inner}${prompt}${literal(tail)}`;
  return { template: whole, system: own };
}

function parts(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + mark.length)];
}

/** Braces that Ollama would read as its own. */
function literal(text: string): string {
  return text.replaceAll('{{', '{{ "{{" }}');
}
