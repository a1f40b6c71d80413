/**
 * The identity of a run: a resumed run must agree on all of it.
 */
import { createHash } from 'node:crypto';
import type { LossFunction, SequenceLoss } from '../../models';
import type { ExampleStream } from '../../dataset';
import type { CausalLM } from '../../pretrained';
import type { EncodedExample } from '../../types';
import type { CheckedArguments } from '../arguments/schema';
import type { EvaluationData } from '../state/evaluate';
import { evaluationSets } from '../state/evaluate';
import { streamIdentity } from '../step/stream-steps';

/** Arguments that may change on resume: where and when things are written, not what is learned. */
const FREE: readonly (keyof CheckedArguments)[] = [
  'outputDir',
  'maxTimeMs',
  'saveStrategy',
  'saveSteps',
  'saveTotalLimit',
  'perDeviceEvalBatchSize',
  'evalOnStop',
  'earlyStoppingPatience',
  'autoFindBatchSize',
  'maxMemory',
  'preflight',
  'reportTo',
  'loggingDir',
  'runName',
  'ddpTimeout',
  'ddpBucketCapMb',
];

/** Values sampled from a large array for its fingerprint. */
const SAMPLES = 4096;

/** Reads all data and a sample of the base model's weights: call once per run, not per checkpoint. */
export async function runIdentity(run: {
  values: CheckedArguments;
  model: CausalLM;
  trainDataset: readonly EncodedExample[];
  evalDataset: EvaluationData | undefined;
  loss?: LossFunction | SequenceLoss;
  /** What `trainDataset` is the begin of. */
  stream?: ExampleStream;
}): Promise<Record<string, unknown>> {
  const { values, model, trainDataset } = run;
  const learned = Object.entries(values).filter(([name]) => !FREE.includes(name as keyof CheckedArguments));
  const adapter = model.adapter?.config;
  const evaluation = evaluationSets(run.evalDataset).map(({ prefix, examples }) => [
    prefix,
    dataHash(examples),
  ]);
  return {
    ...Object.fromEntries(learned),
    ...(run.loss === undefined ? {} : { loss: run.loss.name }),
    model: createHash('sha256').update(JSON.stringify(model.config)).digest('hex').slice(0, 16),
    base_weights: adapter === undefined ? null : await baseWeights(model),
    adapter: adapter === undefined ? null : { ...adapter },
    examples: trainDataset.length,
    data: dataHash(trainDataset),
    ...(run.stream === undefined ? {} : { stream: streamIdentity(run.stream) }),
    evaluation_data: evaluation.length === 0 ? null : Object.fromEntries(evaluation),
  };
}

/** A fingerprint of examples. */
export function dataHash(dataset: readonly EncodedExample[]): string {
  const hash = createHash('sha256');
  for (const { inputIds, labels, segmentIds = [], rejected } of dataset) {
    const { length } = inputIds;
    hash.update(Int32Array.from([length, segmentIds.length, ...inputIds, ...labels, ...segmentIds]));
    if (rejected !== undefined) hash.update(Int32Array.from([...rejected.inputIds, ...rejected.labels]));
  }
  return hash.digest('hex').slice(0, 16);
}

/**
 * A fingerprint of frozen weights. A checkpoint of full fine-tuning holds all weights; one of an adapter does not, and
 * another base of the same shape would go unnoticed.
 */
async function baseWeights(model: CausalLM): Promise<string> {
  const hash = createHash('sha256');
  hash.update(sample(model.weights.parameters.flat));
  const { architecture, weights } = model;
  const { frozen } = weights;
  for (const layer of frozen === undefined ? [] : [0, architecture.layers - 1]) {
    for (const tensor of (await frozen?.layer(layer))?.values() ?? [])
      hash.update(sample('bytes' in tensor ? tensor.bytes : tensor.packed));
  }
  return hash.digest('hex').slice(0, 16);
}

function sample<A extends Float32Array | Uint8Array>(values: A): Float32Array {
  const stride = Math.max(1, Math.floor(values.length / SAMPLES));
  return Float32Array.from({ length: Math.min(SAMPLES, values.length) }, (_, i) => values[i * stride]);
}
