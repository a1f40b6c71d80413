/**
 * A written folder as its users run it: transformers.js reads the prompt, ONNX Runtime answers. Where it stands: the
 * other side of an export's proof.
 */
import { createRequire } from 'node:module';
import path from 'node:path';
import type * as Transformers from '@xenova/transformers';
import type { Architecture } from '../../models';
import type { ChatMessage } from '../../tokenizer';
import { messageOf, TunebookError } from '../../types';
import { logSoftmax } from '../proof/log-probabilities';
import type { OpenResponder } from '../proof/responder';
import { WrittenModel } from './written-model';

/** What is opened. */
export interface OnnxResponderOptions {
  /** The `.onnx` file. */
  readonly file: string;
  /** What `transformersTokenizer` gave of its folder. */
  readonly tokenizer: TransformersTokenizer;
  readonly architecture: Architecture;
  readonly endTokens: readonly number[];
}

/** Opens a written file. @throws TunebookError where it cannot be loaded */
export async function openOnnxResponder(options: OnnxResponderOptions): Promise<OpenResponder> {
  const { file, tokenizer, architecture, endTokens } = options;
  const model = await WrittenModel.open(file, architecture);
  const rows = (ids: readonly number[]): { inputIds: (readonly number[])[] } => ({ inputIds: [ids] });
  return {
    name: `ONNX Runtime, ${path.basename(file)}`,
    promptIds: async (prompt) => tokenizer.encode(prompt),
    answer: async (ids, maxNewTokens) => {
      const [answer] = await model.greedy(rows(ids), { maxNewTokens, endTokens });
      return endTokens.includes(answer[answer.length - 1]) ? answer.slice(0, -1) : answer;
    },
    logProbabilities: async (ids, positions) => {
      const logits = await model.logits(rows(ids), positions);
      const V = logits.length / positions;
      return Array.from({ length: positions }, (_, at) => logSoftmax(logits.subarray(at * V, (at + 1) * V)));
    },
    close: () => model.dispose(),
  };
}

/** What transformers.js makes of the files in a folder. */
export interface TransformersTokenizer {
  encode(text: string): number[];
  /** The text of ids without special tokens. */
  decode(ids: readonly number[]): string;
  /** A conversation by the chat template, with the beginning of an answer. */
  render(messages: readonly ChatMessage[]): string;
}

/**
 * The tokenizer of a folder in transformers.js.
 * @throws TunebookError where it cannot load it
 */
export async function transformersTokenizer(folder: string): Promise<TransformersTokenizer> {
  const { AutoTokenizer } = createRequire(__filename)('@xenova/transformers') as typeof Transformers;
  try {
    const tokenizer = await AutoTokenizer.from_pretrained(path.resolve(folder), { local_files_only: true });
    return {
      encode: (text) => tokenizer.encode(text),
      decode: (ids) =>
        tokenizer.decode([...ids], { skip_special_tokens: true, clean_up_tokenization_spaces: false }),
      render: (messages) =>
        tokenizer.apply_chat_template([...messages], {
          ...{ tokenize: false, add_generation_prompt: true },
        }) as string,
    };
  } catch (error) {
    throw new TunebookError(
      `${folder}: transformers.js could not load the tokenizer that was written (${messageOf(error)}). ` +
        'Save the model with its tokenizer again, then export it.',
      { cause: error },
    );
  }
}
