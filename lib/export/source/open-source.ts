/**
 * Opens what is exported: a model at work, a folder, or a folder with an adapter to merge. A folder is never in memory as
 * a whole: of a large model a layer is.
 */
import path from 'node:path';
import { Runtime } from '../../models';
import type { HasRuntime } from '../../models';
import {
  AutoModelForCausalLM,
  baseQuantization,
  loadAdapter,
  modelPlaces,
  openPretrained,
  tokenizerPlace,
} from '../../pretrained';
import type { CausalLM, OpenPretrained } from '../../pretrained';
import type { QuantizationConfig } from '../../quantization';
import { AutoTokenizer, checkTokenizerFits } from '../../tokenizer';
import type { PretrainedTokenizer } from '../../tokenizer';
import { kindOf, TunebookError } from '../../types';
import { adaptedRuntime } from './open-adapter';
import { checkpointSource, runtimeSource } from './weight-source';
import type { WeightSource } from './weight-source';

/** Where a model and its tokenizer come from. */
export interface SourceOptions {
  /** Folder of a saved adapter, merged into the base. */
  readonly adapter?: string;
  /** Default: the adapter's own, else the model's. */
  readonly tokenizer?: PretrainedTokenizer | string;
  /** How the base was quantized while its adapter was trained; default: as the adapter's folder says (tunebook_base.json). */
  readonly quantizationConfig?: QuantizationConfig;
}

/** What is exported. */
export interface ModelSource {
  readonly weights: WeightSource;
  readonly tokenizer: PretrainedTokenizer;
  readonly generationConfig: Readonly<Record<string, unknown>> | undefined;
  /** Folders whose card and prompt file go with it, the nearest first. */
  readonly folders: readonly string[];
  /** Name of the model, for people. */
  readonly name: string;
  /** The model at work, for its own answers; `close` frees it. */
  open(): Promise<{ readonly model: HasRuntime; close(): Promise<void> }>;
  close(): Promise<void>;
}

/**
 * @param model a model at work, a built-in name, a folder or a hub id; undefined: the adapter's base
 * @param where the function that was called, for errors
 * @throws {TunebookError} For what cannot be opened, and a tokenizer that does not fit the model.
 */
export async function openModelSource(
  model: HasRuntime | string | undefined,
  given: SourceOptions,
  where: string,
): Promise<ModelSource> {
  const source = await openSource(model, given, where);
  try {
    checkTokenizerFits(source.tokenizer, source.weights);
    return source;
  } catch (error) {
    await source.close();
    throw error;
  }
}

async function openSource(
  model: HasRuntime | string | undefined,
  given: SourceOptions,
  where: string,
): Promise<ModelSource> {
  if (typeof model === 'object') return openRuntime(model, given, where);
  const { own, base, options } = await namedModel(model, given);
  const { adapter, quantizationConfig } = options;
  const opened = await openPretrained(base, { quantizationConfig });
  let weights: WeightSource;
  try {
    weights = await weightsOf(opened, options);
  } catch (error) {
    await opened.close();
    throw error;
  }
  return {
    ...own,
    weights,
    generationConfig: opened.generationConfig,
    folders: [...(adapter === undefined ? [] : [adapter]), opened.folder],
    close: () => weights.close(),
  };
}

/** A model by its name, without its weights: what a comparison asks. */
export type OwnModel = Pick<ModelSource, 'tokenizer' | 'name' | 'open'>;

/** Where a named model's parts are; `own` opens it when it is asked. */
export async function namedModel(
  model: string | undefined,
  given: SourceOptions,
): Promise<{ readonly own: OwnModel; readonly base: string; readonly options: SourceOptions }> {
  const { adapter, base } = await modelPlaces({ model, adapter: given.adapter });
  const quantizationConfig = await baseQuantization(adapter, given.quantizationConfig);
  const options = { ...given, adapter, quantizationConfig };
  const { tokenizer = await tokenizerPlace(adapter, base) } = given;
  const own: OwnModel = {
    tokenizer: await loadedTokenizer(tokenizer),
    name: path.basename(path.resolve(adapter ?? base)),
    open: async () => {
      const loaded = await loadModel(base, options);
      return { model: loaded, close: () => loaded.dispose() };
    },
  };
  return { own, base, options };
}

function loadedTokenizer(tokenizer: PretrainedTokenizer | string): Promise<PretrainedTokenizer> {
  return typeof tokenizer === 'string' ? AutoTokenizer.fromPretrained(tokenizer) : Promise.resolve(tokenizer);
}

async function loadModel(base: string, { adapter, quantizationConfig }: SourceOptions): Promise<CausalLM> {
  const model = await AutoModelForCausalLM.fromPretrained(base, { quantizationConfig, dtype: 'auto' });
  return adapter === undefined ? model : loadAdapter(model, adapter);
}

async function openRuntime(
  model: HasRuntime,
  { adapter, tokenizer, quantizationConfig }: SourceOptions,
  where: string,
): Promise<ModelSource> {
  const runtime: unknown = typeof model === 'object' && model !== null ? model.runtime : undefined;
  if (!(runtime instanceof Runtime))
    throw new TunebookError(
      `${where}: expected a model, a folder or the name of one, got ${kindOf(model)}. ` +
        'Pass what AutoModelForCausalLM.fromPretrained gives.',
    );
  if (adapter !== undefined || quantizationConfig !== undefined)
    throw new TunebookError(
      `${where}: expected adapter and quantizationConfig with the name of a model, got them with a model at work. ` +
        'Load the adapter first: await loadAdapter(model, folder).',
    );
  if (tokenizer === undefined)
    throw new TunebookError(
      `${where}: expected a tokenizer with a model at work, got none. Pass { tokenizer }.`,
    );
  const weights = await runtimeSource(runtime);
  return {
    weights,
    tokenizer: await loadedTokenizer(tokenizer),
    generationConfig: runtime.generationConfig,
    folders: [],
    name: runtime.architecture.modelType,
    open: async () => ({ model, close: async () => undefined }),
    close: async () => undefined,
  };
}

async function weightsOf(
  opened: OpenPretrained,
  { adapter, quantizationConfig }: SourceOptions,
): Promise<WeightSource> {
  const { architecture, weights } = opened;
  if (adapter === undefined) return checkpointSource(architecture, weights, () => opened.close());
  const { runtime, close } = await adaptedRuntime(opened, adapter, quantizationConfig);
  return runtimeSource(runtime, close);
}
