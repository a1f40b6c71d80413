/** What a preference trainer is made from, and the check that nothing is missing. */
import type { EncodedPair } from '../../dataset';
import { requireOptions } from '../../options';
import type { OptionNames } from '../../options';
import type { CausalLM } from '../../pretrained';
import type { PromptOptions } from '../../prompts';
import { requireObject, TunebookError } from '../../types';
import type { TrainerCallback } from '../state/state';
import type { PairData } from './pair-examples';
import type { DPOConfig, ORPOConfig } from './preference-config';

/** What an ORPO trainer is made from. */
export interface ORPOTrainerSetup {
  model: CausalLM;
  args: ORPOConfig;
  /** Of `encodePairs`. */
  trainDataset: readonly EncodedPair[];
  /** One set, or several by name, with metrics eval_<name>_loss and so on. */
  evalDataset?: PairData;
  /** Generates a short text with a model: see `TrainerSetup`. */
  generate?: (model: CausalLM) => Promise<string>;
  /** Tokenizer and template of the prompts: checkpoints, and later saves of the model, carry them. */
  prompt?: PromptOptions;
  /** Default: progress on the terminal. */
  callbacks?: readonly TrainerCallback[];
}

/** What a DPO trainer is made from. */
export interface DPOTrainerSetup extends Omit<ORPOTrainerSetup, 'args'> {
  args: DPOConfig;
  /**
   * The reference: another model, or 'base', the model without its adapter. Default: the model as it is when training
   * starts, which with a fresh adapter is the model without it. It is asked once, before the first step.
   */
  refModel?: CausalLM | 'base';
}

const ORPO_NAMES: OptionNames<ORPOTrainerSetup> = {
  ...{ model: true, args: true, trainDataset: true, evalDataset: true },
  ...{ generate: true, prompt: true, callbacks: true },
};
const DPO_NAMES: OptionNames<DPOTrainerSetup> = { ...ORPO_NAMES, refModel: true };

/** @throws {TunebookError} That names what is missing or of another kind, and where to get it. */
export function requireORPOSetup(setup: ORPOTrainerSetup): void {
  const where = 'ORPOTrainer';
  requireObject(setup, { where, what: 'options { model, args, trainDataset }' });
  requireOptions<ORPOTrainerSetup>(setup, { where, names: ORPO_NAMES });
  requireConfig(setup.args, where, 'ORPOConfig');
}

/** @throws {TunebookError} That names what is missing or of another kind, and where to get it. */
export function requireDPOSetup(setup: DPOTrainerSetup): void {
  const where = 'DPOTrainer';
  requireObject(setup, { where, what: 'options { model, args, trainDataset }' });
  requireOptions<DPOTrainerSetup>(setup, { where, names: DPO_NAMES });
  requireConfig(setup.args, where, 'DPOConfig');
  if (!('lossType' in setup.args.values))
    throw new TunebookError(
      `${where}: expected a DPOConfig in args, got an ORPOConfig. Pass { args: new DPOConfig({ ... }) }.`,
    );
  const { model, refModel } = setup;
  if (refModel === undefined) return;
  if (refModel === 'base') {
    if (model.adapter !== undefined) return;
    throw new TunebookError(
      `${where}: expected a model with an adapter for refModel 'base', got one without. Leave refModel out: the ` +
        'reference is then the model as training starts.',
    );
  }
  requireObject(refModel, {
    ...{ where, what: "a model, or 'base', in refModel", fields: ['architecture', 'weights'] },
    remedy: 'Leave it out: the reference is then the model as training starts.',
  });
  if (refModel === model)
    throw new TunebookError(
      `${where}: expected another model in refModel, got the one that is trained, which changes. Leave it out.`,
    );
  const [own, other] = [model.architecture.vocabSize, refModel.architecture.vocabSize];
  if (own !== other)
    throw new TunebookError(
      `${where}: expected a refModel of the same vocabulary, ${own} tokens, got ${other}. Its tokens mean other texts.`,
    );
}

function requireConfig(args: unknown, where: string, config: string): void {
  const remedy = `Pass { args: new ${config}({ outputDir: 'outputs/run' }) }.`;
  requireObject(args, { where, what: `a ${config} in args`, fields: ['values'], remedy });
  if (!('beta' in Object((args as { values: unknown }).values)))
    throw new TunebookError(`${where}: expected a ${config} in args, got TrainingArguments. ${remedy}`);
}
