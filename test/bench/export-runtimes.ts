/** What runs an export: llama.cpp, transformers.js 4 and 2 in Node, and the page in a browser; all answer with text. */
import fs from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { exportGguf, exportOnnx, exportWeb } from '../../lib/export';
import type { GgufType, OnnxDtypeName, OnnxTarget } from '../../lib/export';
import { openLlamaCpp } from '../../lib/export/proof/llama-cpp';
import type { WeightSource } from '../../lib/export/source/weight-source';
import type { QuantizationConfig } from '../../lib/quantization';
import type { PretrainedTokenizer } from '../../lib/tokenizer';
import { openInBrowser } from '../export/page-in-browser';
import { ggufRoundTrip, onnxRoundTrip } from './export-weights';
import type { RoundTrip } from './export-weights';

/** What is asked, and by what. */
export interface Asked {
  /** Folder of the tuned model or adapter. */
  readonly place: string;
  readonly quantizationConfig: QuantizationConfig | undefined;
  readonly tokenizer: PretrainedTokenizer;
  readonly vocabSize: number;
  readonly maxNewTokens: number;
  readonly prompts: readonly string[];
  readonly records: readonly Readonly<Record<string, string>>[];
}

/** An export that answers. */
interface Runner {
  readonly megabytes: number;
  answer(row: number): Promise<string>;
  close(): Promise<void>;
}

/** A runtime with a type of file. */
export interface ExportRuntime {
  readonly name: string;
  readonly type: string;
  /** What its file makes of the weights. */
  roundTrip(weights: WeightSource): RoundTrip;
  /** Writes the export into an empty folder and opens it. */
  open(scratch: string, asked: Asked): Promise<Runner>;
}

/** @param transformers2 folder that @xenova/transformers 2 is installed into; left out where there is none */
export function exportRuntimes(transformers2: string | undefined): ExportRuntime[] {
  const types: readonly GgufType[] = ['f16', 'q8_0', 'q4_0', 'q4_k_m'];
  const dtypes: readonly OnnxDtypeName[] = ['fp32', 'q8', 'q4'];
  return [
    ...types.map((type) => ({
      ...{ name: 'llama.cpp', type, open: llamaCpp(type) },
      roundTrip: (weights: WeightSource) => ggufRoundTrip(weights, type),
    })),
    ...dtypes.map((type) => ({
      ...{ name: 'transformers.js 4', type, open: inNode(type, 'transformers.js') },
      roundTrip: onnx(type),
    })),
    ...dtypes
      .filter((type) => transformers2 !== undefined && type !== 'q4')
      .map((type) => ({
        ...{ name: 'transformers.js 2', type },
        open: inNode(type, 'transformers.js-2', transformers2),
        roundTrip: onnx(type),
      })),
    ...dtypes.map((type) => ({ name: 'browser', type, open: inBrowser(type), roundTrip: onnx(type) })),
    ...dtypes.map((type) => ({
      ...{ name: 'webgpu', type, open: inBrowser(type, 'webgpu') },
      roundTrip: onnx(type),
    })),
  ];
}

const onnx =
  (type: OnnxDtypeName) =>
  (weights: WeightSource): RoundTrip =>
    onnxRoundTrip(weights, type);

function llamaCpp(type: GgufType): ExportRuntime['open'] {
  return async (scratch, { place, quantizationConfig, tokenizer, vocabSize, maxNewTokens, prompts }) => {
    const file = path.join(scratch, 'model.gguf');
    await exportGguf(place, file, { type, quantizationConfig, check: false });
    const llama = await openLlamaCpp(file, { contextSize: 512, vocabSize });
    if (llama === undefined) throw new Error('bench export needs TUNEBOOK_LLAMA_CPP: see .ci/run');
    return {
      megabytes: (await fs.stat(file)).size / 1e6,
      close: () => llama.close(),
      answer: async (row) => {
        const ids = await llama.answer(await llama.promptIds(prompts[row]), maxNewTokens);
        return tokenizer.decode(ids, { skipSpecialTokens: true });
      },
    };
  };
}

/** What both versions of transformers.js have. */
interface Transformers {
  readonly env: { allowRemoteModels: boolean; localModelPath: string };
  readonly AutoTokenizer: { from_pretrained(model: string): Promise<(text: string) => Inputs> };
  readonly AutoModelForCausalLM: {
    from_pretrained(
      model: string,
      options: object,
    ): Promise<{
      generate(inputs: object, options?: object, processors?: null, more?: object): Promise<Ids | number[][]>;
      dispose(): Promise<unknown>;
    }>;
  };
}
interface Ids {
  tolist(): (number | bigint)[][];
}
interface Inputs {
  readonly input_ids: Ids;
  readonly attention_mask: Ids;
}

function inNode(type: OnnxDtypeName, target: OnnxTarget, installed?: string): ExportRuntime['open'] {
  return async (scratch, { place, quantizationConfig, tokenizer, maxNewTokens, prompts }) => {
    const [{ sizeBytes }] = (
      await exportOnnx(place, path.join(scratch, 'model'), {
        ...{ dtypes: [type], target, quantizationConfig, check: false },
      })
    ).models;
    const entry =
      installed === undefined
        ? '@xenova/transformers'
        : pathToFileURL(path.resolve(installed, 'node_modules/@xenova/transformers/src/transformers.js'))
            .href;
    const { env, AutoTokenizer, AutoModelForCausalLM } = (await import(entry)) as Transformers;
    env.allowRemoteModels = false;
    env.localModelPath = scratch;
    const read = await AutoTokenizer.from_pretrained('model');
    const model = await AutoModelForCausalLM.from_pretrained(
      'model',
      installed === undefined ? { dtype: type, device: 'cpu' } : { quantized: type === 'q8' },
    );
    return {
      megabytes: sizeBytes / 1e6,
      close: async () => void (await model.dispose()),
      answer: async (row) => {
        const inputs = read(prompts[row]);
        const options = { max_new_tokens: maxNewTokens, do_sample: false };
        const output =
          installed === undefined
            ? await model.generate({ ...inputs, ...options })
            : await model.generate(inputs.input_ids, options, null, {
                inputs_attention_mask: inputs.attention_mask,
              });
        const [all] = Array.isArray(output) ? output : output.tolist(); // version 2 gives rows
        const ids = all.slice(inputs.input_ids.tolist()[0].length).map(Number);
        // Ids are compared: version 4 leaves a space before the first word where tunebook does not.
        return tokenizer.decode(ids, { skipSpecialTokens: true });
      },
    };
  };
}

function inBrowser(type: OnnxDtypeName, device?: 'webgpu'): ExportRuntime['open'] {
  return async (scratch, { place, quantizationConfig, maxNewTokens, records }) => {
    const { models } = await exportWeb(place, scratch, {
      ...{ dtypes: [type], quantizationConfig, maxNewTokens, check: false },
    });
    const page = await openInBrowser(scratch, { device });
    if (device !== undefined && !page.status.includes('GPU,')) throw new Error(page.status);
    return {
      megabytes: models[0].sizeBytes / 1e6,
      answer: (row) => page.ask(records[row]),
      close: async () => {
        await page.close();
        if (page.problems.length > 0) throw new Error(`page: ${page.problems.join('; ')}`);
      },
    };
  };
}
