/** Steps over a stream of examples: each takes the next ones, and its place is kept for a run that is resumed. */
import { createHash } from 'node:crypto';
import type { ExampleStream, StreamPosition } from '../../dataset';
import type { EncodedExample } from '../../types';
import type { CheckedArguments } from '../arguments/schema';
import type { TrainerState } from '../state/state';
import type { Pass } from './run-steps';
import type { StreamRows } from './training-rows';

/** Examples that the preflight and the fingerprint of the data look at, beside those of one step. */
const SAMPLE = 128;

/** A run over a stream. */
interface StreamRun {
  readonly stream: ExampleStream;
  readonly rows: StreamRows;
  /** The arguments as one process would have them: all ranks read the same examples, and each takes its batches. */
  readonly joint: CheckedArguments;
  readonly state: TrainerState;
  isStopping(): boolean;
  /** At the begin and at the end of each pass over the files. */
  onPass(name: 'onEpochBegin' | 'onEpochEnd'): Promise<void>;
  /** A step on batches, each the numbers of its rows. */
  step(group: readonly (readonly number[])[]): Promise<void>;
  /** Logs, evaluations and checkpoints after it. */
  after(pass: Pass): Promise<void>;
}

/** Steps until all are done or a stop is requested; batches go on from one pass over the files to the next. */
export async function overStream(run: StreamRun): Promise<void> {
  const { stream, rows, joint, state } = run;
  const { perDeviceTrainBatchSize: size, gradientAccumulationSteps: batches } = joint;
  let source = stream.examples(state.dataPosition);
  let isOpen = false;
  try {
    while (state.globalStep < state.maxSteps && !run.isStopping()) {
      if (!isOpen) await run.onPass('onEpochBegin');
      const { examples, next } = await take(source, size * batches);
      rows.hold(examples, state.samplesSeen);
      await run.step(batchesOf(examples.length, size));
      const ends = next.epoch > state.epochsDone;
      // Before the checkpoint of this step is written.
      Object.assign(state, { dataPosition: next, epochsDone: next.epoch, epoch: next.epoch });
      state.stepInEpoch = ends ? 0 : state.stepInEpoch + 1;
      const skipped: StreamPosition = { epoch: next.epoch + 1, record: 0, example: 0 };
      await run.after({ ends, skip: () => (state.dataPosition = skipped) });
      isOpen = !ends;
      if (ends) await run.onPass('onEpochEnd');
      if (state.dataPosition !== skipped) continue;
      await source.return(undefined);
      source = stream.examples(skipped);
    }
    if (isOpen) await run.onPass('onEpochEnd');
  } finally {
    await source.return(undefined);
  }
}

/** The first examples of a stream: what the preflight measures, and a resumed run must find again. */
export async function firstExamples(
  stream: ExampleStream,
  { perDeviceTrainBatchSize, gradientAccumulationSteps }: CheckedArguments,
): Promise<readonly EncodedExample[]> {
  const source = stream.examples();
  try {
    const count = Math.max(SAMPLE, perDeviceTrainBatchSize * gradientAccumulationSteps);
    return (await take(source, count)).examples;
  } finally {
    await source.return(undefined);
  }
}

/** What a resumed run must agree on, short. */
export function streamIdentity({ identity }: ExampleStream): string {
  return createHash('sha256').update(identity).digest('hex').slice(0, 16);
}

const batchesOf = (examples: number, size: number): number[][] =>
  Array.from({ length: Math.ceil(examples / size) }, (_, batch) =>
    Array.from({ length: Math.min(size, examples - batch * size) }, (__, i) => batch * size + i),
  );

async function take(
  source: ReturnType<ExampleStream['examples']>,
  count: number,
): Promise<{ examples: EncodedExample[]; next: StreamPosition }> {
  const examples: EncodedExample[] = [];
  let next: StreamPosition = { epoch: 0, record: 0, example: 0 };
  while (examples.length < count) {
    const { value, done } = await source.next();
    if (done === true) throw new Error('internal: expected a stream of examples without end.');
    examples.push(value.example);
    next = value.next;
  }
  return { examples, next };
}
