/**
 * Gradients that are summed while the backward pass goes on: the same bytes as after it, whichever parts go out early,
 * and no rank is left waiting where another fails on the way.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { fakeProcessGroups } from '../../../lib/distributed';
import type { ProcessGroup } from '../../../lib/distributed';
import { reductionSpans } from '../../../lib/trainer/parallel/gradient-reduction';
import type { CausalLM } from '../../../lib/pretrained';
import { endsOfRanks, rankRun } from './runs';
import type { RankRequest, RankRun } from './runs';

const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-reduction-'));
after(() => fs.rmSync(temporary, { recursive: true, force: true }));
let folders = 0;
const folder = (): string => path.join(temporary, `run-${folders++}`);

test('the plan: what is large enough goes out with its stage, the rest with its neighbours, all of it once', () => {
  const flat = new Float32Array(100);
  const views: [string, number, number][] = [
    ['table', 0, 40],
    ['one', 40, 55],
    ['two', 55, 70],
    ['three', 70, 90],
    ['bias one', 90, 92],
    ['bias two', 92, 94],
    ['bias three', 94, 96],
    ['norm', 96, 100],
  ];
  const byName = new Map(views.map(([name, start, end]) => [name, flat.subarray(start, end)]));
  const stages = [['norm'], ['bias three', 'three'], ['two', 'bias two'], ['one', 'bias one'], ['table']];
  const spans = (smallest: number): [number, number][][] =>
    reductionSpans(stages, { byName }, smallest).map((stage) => stage.map(({ start, end }) => [start, end]));
  assert.deepEqual(spans(20), [
    [],
    [[70, 90]],
    [],
    [[40, 70]],
    [
      [0, 40],
      [90, 100],
    ],
  ]);
  assert.deepEqual(spans(30), [
    [],
    [],
    [[55, 90]],
    [],
    [
      [0, 55],
      [90, 100],
    ],
  ]);
  assert.deepEqual(spans(Infinity), [[], [], [], [], [[0, 100]]]);
});

interface Call {
  readonly purpose: string;
  readonly length: number;
  /** Backward functions that had ended by then, in this process. */
  readonly after: number;
}

/** Ranks whose collectives are noted, and the backward functions between them. */
async function noted(count: number, request: RankRequest): Promise<{ runs: RankRun[]; calls: Call[] }> {
  const calls: Call[] = [];
  const groups = fakeProcessGroups(count);
  const runs = await Promise.all(
    groups.map((group) => {
      let ended = 0;
      const watched: ProcessGroup = {
        ...group,
        allReduce: (values, options) => {
          if (group.rank === 0)
            calls.push({ purpose: options?.purpose ?? '', length: values.length, after: ended });
          return group.allReduce(values, options);
        },
      };
      const prepare = (_: number, __: unknown, model: CausalLM): void =>
        onBackward(model, () => void ended++);
      return rankRun({ ...request, prepare }, watched);
    }),
  );
  return { runs, calls };
}

/** Calls something after each backward function of a model. */
function onBackward({ engine }: CausalLM, call: () => void): void {
  const compileVjp = engine.compileVjp.bind(engine);
  Object.assign(engine, {
    compileVjp: async (...given: Parameters<typeof compileVjp>) => {
      const vjp = await compileVjp(...given);
      const backward = async (...words: Parameters<typeof vjp.backward>): ReturnType<typeof vjp.backward> => {
        const result = await vjp.backward(...words);
        call();
        return result;
      };
      return Object.assign(Object.create(vjp) as typeof vjp, { backward });
    },
  });
}

const CASES: [name: string, ranks: number, early: number, request: Omit<RankRequest, 'options'>][] = [
  ['a head that shares the embeddings, which are the last', 2, 3, { config: { n_layer: 3 } }],
  ['a head of its own', 2, 3, { config: { n_layer: 2, tie_word_embeddings: false } }],
  ['LoRA', 2, 2, { config: { n_layer: 3 }, kind: 'LoRA' }],
  ['ranks without a batch', 4, 2, { config: { n_layer: 2 } }],
];
for (const [name, count, early, request] of CASES)
  test(`summed on the way as after it, to the byte: ${name}`, async () => {
    // Six batches in a pass: of four ranks two have none in its second step.
    const options = { maxSteps: 3, gradientAccumulationSteps: 4 / count, maxGradNorm: 0.5 };
    const run = (ddpBucketCapMb: number): ReturnType<typeof noted> =>
      noted(count, { ...request, options: { ...options, ddpBucketCapMb, outputDir: folder() } });
    const [late, soon] = [await run(Infinity), await run(1e-5)];
    const first = ({ calls }: typeof late): Call[] =>
      calls.filter(({ purpose }) => purpose === 'gradients of step 1');
    assert.equal(first(late).length, 1);
    const parts = first(soon);
    assert.equal(
      parts.reduce((total, { length }) => total + length, 0),
      first(late)[0].length,
    );
    // Backward functions still ran after these parts had gone out.
    assert.equal(parts.filter((part) => part.after < parts[parts.length - 1].after).length >= early, true);
    for (const [rank, { weights, losses, norms }] of soon.runs.entries()) {
      assert.deepEqual(weights, late.runs[rank].weights);
      assert.deepEqual([losses, norms], [late.runs[rank].losses, late.runs[rank].norms]);
    }
  });

/** Rank 1's second backward function of step 3 fails: the last layer's of its only batch. */
function failsOnTheWay(error: Error): RankRequest['prepare'] {
  let isFirst = true;
  return (rank, trainer, model) => {
    if (rank !== 1) return;
    let count = 0;
    onBackward(model, () => {
      if (trainer.state.globalStep !== 2 || ++count !== 2 || !isFirst) return;
      isFirst = false;
      throw error;
    });
  };
}

test('a rank that fails in its backward pass takes part in what the others wait for', async () => {
  const options = { outputDir: folder(), ddpBucketCapMb: 1e-5 };
  const prepare = failsOnTheWay(new Error('a layer fell'));
  const ends = await endsOfRanks(2, { options, prepare, config: { n_layer: 3 } });
  assert.match(String(ends[1]), /a layer fell/);
  assert.match(String(ends[0]), /rank 1 of 2 failed \(step 3\), so all ranks stop: a layer fell/);
});

test('memory that runs out on the way: the step begins again, and nothing of the first try is left', async () => {
  const options = { maxSteps: 3, perDeviceTrainBatchSize: 4, autoFindBatchSize: true, dropout: false };
  const config = { n_layer: 3 };
  const straight = await endsOfRanks(2, { options: { ...options, outputDir: folder() }, config });
  const prepare = failsOnTheWay(new Error('failed to allocate'));
  const again = await endsOfRanks(2, {
    options: { ...options, outputDir: folder(), ddpBucketCapMb: 1e-5 },
    ...{ prepare, config },
  });
  for (const [rank, end] of again.entries()) {
    const other = straight[rank];
    assert.ok(typeof end !== 'string' && typeof other !== 'string', String(end));
    assert.equal(end.trainer.state.microBatchSize, 2);
    for (const [i, loss] of end.losses.entries())
      assert.ok(Math.abs(loss / other.losses[i] - 1) < 1e-5, `loss ${i}: ${loss}, ${other.losses[i]}`);
  }
});
