/**
 * CausalLM: a facade with the names of transformers and PEFT over weights and a runtime.
 */
import type { Engine } from '../engine';
import { generate, generationBytes, streamGenerate } from '../generation';
import type { GenerateOptions, GenerationResult, TokenEvent } from '../generation';
import { checkedInputs, headLogits, hiddenStates, meanLoss, Runtime, summaryLine } from '../models';
import type {
  Architecture,
  ForwardInputs,
  ForwardOutput,
  HasRuntime,
  LoraAdapter,
  ModelParts,
  ModelWeights,
  Parameter,
} from '../models';
import { saveAdapter } from './adapters/adapter-files';
import { mergeAndUnload } from './peft';
import { configOf, savePretrained } from './saving';
import type { SavePretrainedOptions } from './saving';

/**
 * A model from `AutoModelForCausalLM`.
 * @example
 * ```ts
 * import { AutoModelForCausalLM } from 'tunebook';
 *
 * const model = await AutoModelForCausalLM.fromPretrained('gpt2-mini');
 * const { logits } = await model.forward({ inputIds: [[464, 3234]] });
 * console.log(logits.shape); // [1, 2, 50257]
 * await model.dispose();
 * ```
 */
export class CausalLM implements HasRuntime {
  /** Weights and engine, which training and generation work on. */
  readonly runtime: Runtime;

  constructor(parts: ModelParts, engine: Engine) {
    this.runtime = new Runtime(parts, engine);
  }

  get architecture(): Architecture {
    return this.runtime.architecture;
  }

  get engine(): Engine {
    return this.runtime.engine;
  }

  get weights(): ModelWeights {
    return this.runtime.weights;
  }

  /** Content of config.json. */
  get config(): Record<string, unknown> {
    return configOf(this.weights);
  }

  /** Whether weights are in 4 or 8 bits. */
  get isQuantized(): boolean {
    return this.weights.isQuantized;
  }

  /**
   * Logits, and the loss where labels are given.
   * @throws TunebookError for ragged rows, ids outside the vocabulary, a context that is too long, or a model that an
   *   open batch or server uses.
   */
  async forward(inputs: ForwardInputs): Promise<ForwardOutput> {
    this.runtime.requireFree('forward');
    const { shape, ids, mask, labels } = checkedInputs(this.architecture, inputs);
    const batch = { shape, attentionMask: mask };
    const logits = await this.runtime.inWorkspace(async (workspace) =>
      headLogits(this.runtime, await hiddenStates(this.runtime, { batch, ids, workspace })),
    );
    const data = logits.data as Float32Array;
    const loss =
      labels === undefined ? undefined : meanLoss(data, labels, [...shape, this.architecture.vocabSize]);
    return { loss, logits: { data, shape: [...logits.shape] } };
  }

  /** Continues prompts: see `generate`. */
  generate(options: GenerateOptions): Promise<GenerationResult> {
    return generate(this, options);
  }

  /** Continues prompts, token by token: see `streamGenerate`. */
  streamGenerate(options: GenerateOptions): AsyncGenerator<TokenEvent, GenerationResult, undefined> {
    return streamGenerate(this, options);
  }

  /** The active adapter, if any. */
  get adapter(): LoraAdapter | undefined {
    return this.weights.adapter;
  }

  /** Names of the adapters on the model. */
  get adapterNames(): string[] {
    return this.weights.adapters.names;
  }

  /** Name of the active adapter. */
  get activeAdapter(): string | undefined {
    return this.weights.adapters.inUse;
  }

  /** Activates an adapter on the model. @throws TunebookError where none has that name */
  setAdapter(name: string): void {
    this.weights.adapters.use(name);
  }

  /** Deactivates the adapter; `enableAdapters` activates it again. */
  disableAdapters(): void {
    this.weights.adapters.setEnabled(false);
  }

  enableAdapters(): void {
    this.weights.adapters.setEnabled(true);
  }

  /** Removes an adapter. @throws TunebookError where none has that name */
  deleteAdapter(name: string): void {
    this.weights.adapters.delete(name);
  }

  /**
   * Merges the active adapter into the weights and removes all adapters: see `mergeAndUnload`.
   * @throws TunebookError on quantized weights
   */
  mergeAndUnload(): this {
    return mergeAndUnload(this);
  }

  /**
   * Trainable parameters: those of the active adapter, or all of the model's without one.
   * @throws TunebookError where there is nothing to train: frozen weights without an active adapter
   */
  trainableParameters(): Parameter[] {
    return this.weights.trainableParameters();
  }

  /**
   * Resizes token embedding and head to another number of rows, for tokens added to the tokenizer; new rows are the
   * mean of the others. Do it before adding adapters.
   * @param vocabSize number of tokens, the added ones included
   * @throws TunebookError where adapters are on the model
   */
  resizeTokenEmbeddings(vocabSize: number): Promise<void> {
    return this.weights.resizeVocabulary(vocabSize);
  }

  /**
   * Memory that the first tokens add to the process at most, bytes: the codes that frozen weights of 4 bits are generated by
   * (see `dtype` of `generate`); 0 for other weights, and once they are made.
   */
  generationBytes(): number {
    return generationBytes(this.runtime);
  }

  /** Number of parameters; a tied head counts once. */
  numParameters(options: { onlyTrainable?: boolean } = {}): number {
    return options.onlyTrainable ? this.weights.countTrainable() : this.weights.count();
  }

  /** Prints what PEFT prints: 'trainable params: 1,536 || all params: 44,864 || trainable%: 3.4237'. */
  printTrainableParameters(): void {
    console.log(summaryLine(this.weights.countTrainable(), this.weights.count()));
  }

  /**
   * Writes the active adapter, or the whole model where there is none; see `saveAdapter` and `savePretrained`.
   * @returns names of the files written
   */
  savePretrained(folder: string, options?: SavePretrainedOptions): Promise<string[]> {
    return this.adapter === undefined
      ? savePretrained(this, folder, options)
      : saveAdapter(this, folder, { prompt: options?.prompt, card: options?.card });
  }

  /** Frees the engine's sessions; the model cannot be used afterwards. */
  dispose(): Promise<void> {
    return this.runtime.dispose();
  }
}
