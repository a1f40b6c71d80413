/**
 * How many parameters there are and how many are trained, in PEFT's words.
 */
import type { Architecture } from '../families/architecture';
import type { LoraConfig } from './lora-config';
import { countOf, loraLayout } from './lora-layout';

/**
 * What PEFT's print_trainable_parameters prints, computed from a configuration without allocating a model.
 * @example
 * const mistral = architectureOf({ model_type: 'mistral' });
 * trainableSummary(mistral, new LoraConfig({ r: 8, targetModules: ['q_proj', 'v_proj'] }))
 * // 'trainable params: 3,407,872 || all params: 7,245,139,968 || trainable%: 0.0470'
 */
export function trainableSummary(architecture: Architecture, config: LoraConfig): string {
  const { specs, copies, addedCopies } = loraLayout(config, architecture);
  const added = countOf(specs);
  return summaryLine(added + countOf(copies), countOf(architecture.parameters) + added + addedCopies);
}

/** 'trainable params: 3,407,872 || all params: 7,245,139,968 || trainable%: 0.0470' */
export function summaryLine(trainable: number, all: number): string {
  const number = (n: number): string => n.toLocaleString('en-US');
  const percent = ((100 * trainable) / all).toFixed(4);
  return `trainable params: ${number(trainable)} || all params: ${number(all)} || trainable%: ${percent}`;
}

/** Number of parameters of a configuration, computed without allocating them; a tied head counts once. */
export function countParameters(architecture: Architecture): number {
  return countOf(architecture.parameters);
}
