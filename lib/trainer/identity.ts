/**
 * What makes a run the run that it is: a resumed one has to agree on all of it, or it is another run.
 */
import { createHash } from 'node:crypto';
import type { CausalLM } from '../models';
import type { EncodedExample } from '../types';
import type { TrainingValues } from './arguments';

/** Arguments that may change between a stop and a resume: where and when things are written, not what is learned. */
const FREE: readonly (keyof TrainingValues)[] = [
  'outputDir',
  'maxTimeMs',
  'saveStrategy',
  'saveSteps',
  'saveTotalLimit',
  'perDeviceEvalBatchSize',
];

export function runIdentity(
  values: TrainingValues,
  model: CausalLM,
  dataset: readonly EncodedExample[],
): Record<string, unknown> {
  const learned = Object.entries(values).filter(([name]) => !FREE.includes(name as keyof TrainingValues));
  const adapter = model.adapter?.config;
  return {
    ...Object.fromEntries(learned),
    model: hash(JSON.stringify(model.config)),
    adapter: adapter === undefined ? null : { ...adapter },
    examples: dataset.length,
    data: hash(...dataset.map((example) => `${example.inputIds.join()};${example.labels.join()}`)),
  };
}

function hash(...parts: readonly string[]): string {
  const sum = createHash('sha256');
  for (const part of parts) sum.update(part).update('\n');
  return sum.digest('hex').slice(0, 16);
}
