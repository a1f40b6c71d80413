/**
 * DPOTrainer: direct preference optimization (Rafailov et al. 2023). A `Trainer` with the loss of pairs; the reference
 * model's part is computed once, when training begins.
 */
import path from 'node:path';
import { getWorldSize } from '../distributed';
import { createDataCollator } from '../dataset';
import type { DataCollator } from '../dataset';
import { progressBar } from '../display';
import { noteMethod } from '../pretrained';
import type { CausalLM } from '../pretrained';
import { TunebookError } from '../types';
import type { EncodedExample } from '../types';
import { requireTrainCall } from './checkpoints/resume';
import type { TrainCall } from './checkpoints/resume';
import { dpoLoss } from './preferences/dpo-loss';
import { PairExamples } from './preferences/pair-examples';
import type { PairData } from './preferences/pair-examples';
import { weightedLosses } from './preferences/preference-config';
import type { DPOConfig } from './preferences/preference-config';
import { requireDPOSetup } from './preferences/preference-setup';
import type { DPOTrainerSetup } from './preferences/preference-setup';
import { REFERENCE_FILE, ReferenceLogps } from './preferences/reference-logps';
import { consoleProgress } from './reports/progress';
import { evaluationSets } from './state/evaluate';
import type { PreflightReport } from './state/preflight-report';
import type { CallbackContext, TrainerState } from './state/state';
import { Trainer } from './trainer';
import type { TrainResult } from './train-result';

/**
 * Trains a model to prefer the chosen answers of pairs to the rejected ones, no further from a reference model than
 * `beta` allows. Whatever `Trainer` does it does too; its log has TRL's rewards/chosen, rewards/rejected,
 * rewards/accuracies, rewards/margins, logps/chosen and logps/rejected.
 *
 * @example
 * ```ts
 * import * as tb from 'tunebook';
 *
 * const tokenizer = await tb.AutoTokenizer.fromPretrained('gpt2-mini');
 * const model = await tb.AutoModelForCausalLM.fromPretrained('gpt2-mini');
 * tb.getPeftModel(model, new tb.LoraConfig({ r: 4 }));
 * const records = [
 *   { prompt: 'How was the race?\n', chosen: 'Faster than expected.', rejected: 'Slower than expected.' },
 *   { prompt: 'And the sled?\n', chosen: 'In line with your peers.', rejected: 'Far behind.' },
 * ];
 * const { pairs } = tb.encodePairs(records, { tokenizer });
 * const args = new tb.DPOConfig({ outputDir: 'outputs/dpo', maxSteps: 2, perDeviceTrainBatchSize: 2 });
 * const trainer = new tb.DPOTrainer({ model, args, trainDataset: pairs });
 * console.log((await trainer.train()).stopped); // finished
 * console.log(trainer.state.logHistory.at(-1)?.['rewards/margins']);
 * ```
 */
export class DPOTrainer {
  private readonly trainer: Trainer;
  private readonly examples = new PairExamples('DPOTrainer', 'answers');
  private readonly references = new ReferenceLogps();
  private readonly collate: DataCollator;
  /** Folders that may hold a resumed run's reference. */
  private folders: readonly string[] = [];
  private readonly isSilent: boolean;

  /** @throws TunebookError that lists what is missing: pairs, evaluation data, a metric's name */
  constructor(private readonly setup: DPOTrainerSetup) {
    if (getWorldSize() > 1)
      throw new TunebookError(
        `DPOTrainer: expected one process, got ${getWorldSize()} ranks: the reference model is asked by one of them. ` +
          'Start it without mpirun; Trainer and ORPOTrainer share their batches among ranks.',
      );
    requireDPOSetup(setup);
    const { model, args, evalDataset, refModel, callbacks = [consoleProgress()] } = setup;
    const { beta, labelSmoothing } = args.values;
    const losses = weightedLosses(args.values);
    this.collate = createDataCollator({ padTokenId: 0, maxLength: model.architecture.maxPositions });
    this.isSilent = callbacks.length === 0;
    const reference = refModel === undefined ? 'start' : refModel === 'base' ? 'base' : 'model';
    this.trainer = new Trainer({
      ...{ model, args, generate: setup.generate, prompt: setup.prompt },
      trainDataset: this.examples.of(setup.trainDataset, 'trainDataset'),
      evalDataset: evalDataset === undefined ? undefined : this.examples.ofSets(evalDataset),
      dataCollator: this.references.attach(this.collate),
      loss: dpoLoss(`dpo, reference: ${reference}`, { losses, beta, labelSmoothing }),
      callbacks: [{ onTrainBegin: (context) => this.prepare(context) }, ...callbacks],
    });
  }

  get model(): CausalLM {
    return this.setup.model;
  }

  get args(): DPOConfig {
    return this.setup.args;
  }

  get state(): TrainerState {
    return this.trainer.state;
  }

  /**
   * Trains as `Trainer.train` does; the reference model is asked first, unless the run is resumed.
   * @throws TunebookError as `Trainer.train`, and where a resumed run's reference is lost
   */
  train(options: TrainCall = {}): Promise<TrainResult> {
    requireTrainCall(options);
    const { resumeFromCheckpoint: from } = options;
    const beside = typeof from === 'string' ? [path.dirname(path.resolve(from))] : [];
    this.folders = [...beside, this.args.values.outputDir];
    const { beta, labelSmoothing } = this.args.values;
    const losses = weightedLosses(this.args.values)
      .map(({ lossType, weight }) => (weight === 1 ? lossType : `${weight} ${lossType}`))
      .join(' + ');
    const smoothing = labelSmoothing > 0 ? `, label smoothing ${labelSmoothing}` : '';
    noteMethod(this.model, {
      tag: 'dpo',
      text:
        `Direct preference optimization (DPO, loss ${losses}, beta ${beta}${smoothing}) on ` +
        `${this.setup.trainDataset.length} pairs`,
    });
    return this.trainer.train(options);
  }

  /** As `Trainer.preflight`. @throws TunebookError that lists everything that cannot work, each with what to do */
  preflight(): Promise<PreflightReport> {
    return this.trainer.preflight();
  }

  /**
   * Loss, rewards and log-probabilities of pairs (default: evalDataset).
   * @returns eval_loss, eval_rewards/accuracies and so on; of several sets eval_<name>_loss and so on
   * @throws TunebookError after training, for pairs that the reference was not asked about before it
   */
  async evaluate(data: PairData | undefined = this.setup.evalDataset): Promise<Record<string, number>> {
    const examples = this.examples.ofSets(data ?? []);
    const sets = evaluationSets(examples).map((set) => set.examples);
    if (this.references.missing(sets.flat()).length > 0) {
      if (this.setup.refModel === undefined && this.state.globalStep > 0)
        throw new TunebookError(
          'DPOTrainer: expected pairs of evalDataset, got others after training, when the model that was the reference ' +
            'is no more. Give them as evalDataset, or a refModel.',
        );
      await this.ask(sets.flat(), () => false);
    }
    return this.trainer.evaluate(examples);
  }

  /** Writes trainer_state.json to outputDir. */
  saveState(): Promise<void> {
    return this.trainer.saveState();
  }

  /**
   * Writes the adapter, or the model where there is none, with a card that names the method.
   * @param folder default: outputDir
   * @returns names of the files
   */
  saveModel(folder: string = this.args.values.outputDir): Promise<string[]> {
    return this.model.savePretrained(folder);
  }

  /** When training begins: the reference's log-probabilities, or those that a resumed run has kept. */
  private async prepare({ state, control }: CallbackContext): Promise<void> {
    const { trainDataset, evalDataset } = this.trainer;
    const sets = [...evaluationSets(evalDataset).map(({ examples }) => examples), trainDataset];
    const isResumed = state.globalStep > 0;
    // A fresh start drops those of the last one: the model may have been trained in between.
    this.references.clear();
    if (isResumed)
      for (const folder of this.folders) await this.references.load(path.join(folder, REFERENCE_FILE), sets);
    const missing = this.references.missing(sets.flat());
    if (isResumed && missing.length > 0 && this.setup.refModel === undefined)
      throw new TunebookError(
        `DPOTrainer: expected the reference's log-probabilities of this run in ${this.folders.join(' or ')} ` +
          `(${REFERENCE_FILE}), got none for ${missing.length} pairs. Bring the file back, give the start weights as ` +
          'refModel, or start anew.',
      );
    await this.ask(missing, () => control.shouldTrainingStop);
    if (this.references.missing(sets.flat()).length > 0) return; // interrupted: the next start begins anew
    await this.references.save(path.join(this.args.values.outputDir, REFERENCE_FILE), sets);
  }

  /** Asks the reference model about examples. */
  private async ask(examples: readonly EncodedExample[], shouldStop: () => boolean): Promise<void> {
    if (examples.length === 0) return;
    const { model, refModel } = this.setup;
    const label = 'Reference log-probabilities';
    const bar = this.isSilent ? undefined : progressBar({ total: examples.length, label, unit: 'pair' });
    let done = 0;
    if (refModel === 'base') model.disableAdapters();
    try {
      await this.references.compute({
        model: typeof refModel === 'object' ? refModel : model,
        ...{ examples, shouldStop, collate: this.collate },
        batchSize: this.args.values.perDeviceEvalBatchSize,
        onBatch: (pairs) => void bar?.update((done += pairs)),
      });
    } finally {
      if (refModel === 'base') model.enableAdapters();
      bar?.finish();
    }
  }
}
