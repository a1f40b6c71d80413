/**
 * ORPOTrainer: odds ratio preference optimization (Hong et al. 2024): fine-tuning on the chosen answers and preference
 * in one run, without a reference model. A `Trainer` with the loss of pairs.
 */
import { noteMethod } from '../pretrained';
import type { CausalLM } from '../pretrained';
import type { TrainCall } from './checkpoints/resume';
import { orpoLoss } from './preferences/orpo-loss';
import { PairExamples } from './preferences/pair-examples';
import type { PairData } from './preferences/pair-examples';
import type { ORPOConfig } from './preferences/preference-config';
import { requireORPOSetup } from './preferences/preference-setup';
import type { ORPOTrainerSetup } from './preferences/preference-setup';
import type { PreflightReport } from './state/preflight-report';
import type { TrainerState } from './state/state';
import { Trainer } from './trainer';
import type { TrainResult } from './train-result';

/**
 * Trains a model on the chosen answers of pairs, and to find them likelier than the rejected ones. Whatever `Trainer`
 * does it does too; its log has TRL's rewards, logps, nll_loss, log_odds_ratio and log_odds_chosen.
 *
 * @example
 * ```ts
 * import * as tb from 'tunebook';
 *
 * const tokenizer = await tb.AutoTokenizer.fromPretrained('gpt2-mini');
 * const model = await tb.AutoModelForCausalLM.fromPretrained('gpt2-mini');
 * const records = [{ prompt: 'How was the race?\n', chosen: 'Faster than expected.', rejected: 'Slower.' }];
 * const { pairs } = tb.encodePairs(records, { tokenizer });
 * const args = new tb.ORPOConfig({ outputDir: 'outputs/orpo', maxSteps: 2, learningRate: 1e-4 });
 * const trainer = new tb.ORPOTrainer({ model, args, trainDataset: pairs });
 * console.log((await trainer.train()).stopped); // finished
 * ```
 */
export class ORPOTrainer {
  private readonly trainer: Trainer;
  private readonly examples = new PairExamples('ORPOTrainer', 'chosen prompt');

  /** @throws TunebookError that lists what is missing: pairs, evaluation data, a metric's name */
  constructor(private readonly setup: ORPOTrainerSetup) {
    requireORPOSetup(setup);
    const { model, args, evalDataset, generate, prompt, callbacks } = setup;
    const { beta } = args.values;
    this.trainer = new Trainer({
      ...{ model, args, generate, prompt, callbacks },
      trainDataset: this.examples.of(setup.trainDataset, 'trainDataset'),
      evalDataset: evalDataset === undefined ? undefined : this.examples.ofSets(evalDataset),
      loss: orpoLoss('orpo', { beta }),
    });
  }

  get model(): CausalLM {
    return this.setup.model;
  }

  get args(): ORPOConfig {
    return this.setup.args;
  }

  get state(): TrainerState {
    return this.trainer.state;
  }

  /** As `Trainer.train`. @throws TunebookError as it does */
  train(options: TrainCall = {}): Promise<TrainResult> {
    const text =
      `Odds ratio preference optimization (ORPO, beta ${this.args.values.beta}) on ` +
      `${this.setup.trainDataset.length} pairs`;
    noteMethod(this.model, { tag: 'orpo', text });
    return this.trainer.train(options);
  }

  /** As `Trainer.preflight`. @throws TunebookError that lists everything that cannot work, each with what to do */
  preflight(): Promise<PreflightReport> {
    return this.trainer.preflight();
  }

  /**
   * Loss, rewards and log-probabilities of pairs (default: evalDataset).
   * @returns eval_loss, eval_rewards/accuracies and so on; of several sets eval_<name>_loss and so on
   */
  evaluate(data: PairData | undefined = this.setup.evalDataset): Promise<Record<string, number>> {
    return this.trainer.evaluate(this.examples.ofSets(data ?? []));
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
}
