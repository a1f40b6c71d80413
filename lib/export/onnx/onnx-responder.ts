/**
 * A written folder as its users run it: transformers.js reads the prompt, ONNX Runtime answers. Where it stands: the
 * other side of an export's proof.
 */
import { createRequire } from 'node:module';
import path from 'node:path';
import type * as Transformers from '@xenova/transformers';
import type { Architecture } from '../../models';
import { messageOf, TunebookError } from '../../types';
import { logSoftmax } from '../proof/log-probabilities';
import type { OpenResponder } from '../proof/responder';
import { WrittenModel } from './written-model';

/** What is opened. */
export interface OnnxResponderOptions {
  /** The `.onnx` file. */
  readonly file: string;
  /** What `transformersTokenizer` gave of its folder. */
  readonly tokenize: (text: string) => number[];
  readonly architecture: Architecture;
  readonly endTokens: readonly number[];
}

/** Opens a written file. @throws TunebookError where it cannot be loaded */
export async function openOnnxResponder(options: OnnxResponderOptions): Promise<OpenResponder> {
  const { file, tokenize, architecture, endTokens } = options;
  const model = await WrittenModel.open(file, architecture);
  const rows = (ids: readonly number[]): { inputIds: (readonly number[])[] } => ({ inputIds: [ids] });
  return {
    name: `ONNX Runtime, ${path.basename(file)}`,
    promptIds: async (prompt) => tokenize(prompt),
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

/**
 * From text to ids, as transformers.js makes them of the files in a folder.
 * @throws TunebookError where it cannot load them
 */
export async function transformersTokenizer(folder: string): Promise<(text: string) => number[]> {
  const { AutoTokenizer } = createRequire(__filename)('@xenova/transformers') as typeof Transformers;
  try {
    const tokenizer = await AutoTokenizer.from_pretrained(path.resolve(folder), { local_files_only: true });
    return (text) => tokenizer.encode(text);
  } catch (error) {
    throw new TunebookError(
      `${folder}: transformers.js could not load the tokenizer that was written (${messageOf(error)}). ` +
        'Save the model with its tokenizer again, then export it.',
      { cause: error },
    );
  }
}
