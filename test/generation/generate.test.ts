/**
 * Generation with whole models: transformers' tokens (test/golden/gpt2), the cache against none, batches against
 * single rows, endings and streaming.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import '../../lib/generation';
import type { GenerateOptions, GenerationResult, TokenEvent } from '../../lib/generation';
import { AutoModelForCausalLM, loadAdapter, CausalLM } from '../../lib/pretrained';
import { byteTokenizer } from './byte-tokenizer';
import { ROOT } from '../support/paths';

interface Golden {
  generation: {
    padTokenId: number;
    prompts: number[][];
    greedy: { newTokens: number[][] };
    repetitionPenalty: { penalty: number; newTokens: number[][] };
  };
  lora: { greedy: { newTokens: number[][] } };
}
const FOLDER = path.join(ROOT, 'test', 'golden', 'gpt2');
const { generation: golden, lora } = JSON.parse(
  readFileSync(path.join(FOLDER, 'golden.json'), 'utf8'),
) as Golden;
const BATCH: GenerateOptions = {
  inputIds: golden.prompts,
  maxNewTokens: 24,
  eosTokenId: null,
  padTokenId: golden.padTokenId,
};

/** Lively random weights, so that tokens vary; contexts long enough for a cache to grow. */
async function randomModel(): Promise<CausalLM> {
  const config = { model_type: 'gpt2', vocab_size: 256, n_positions: 300, n_embd: 16, n_layer: 2, n_head: 2 };
  return AutoModelForCausalLM.fromConfig({ ...config, initializer_range: 0.5 }, { seed: 3 });
}

let model: CausalLM;
let bytes: CausalLM;
before(async () => {
  model = await AutoModelForCausalLM.fromPretrained(path.join(FOLDER, 'model'));
  bytes = await randomModel();
});
after(async () => {
  await model.dispose();
  await bytes.dispose();
});

for (const useCache of [true, false]) {
  test(`greedy tokens of a padded batch are transformers', useCache ${useCache}`, async () => {
    const { newTokens, sequences, finishReasons } = await model.generate({ ...BATCH, useCache });
    assert.deepEqual(newTokens, golden.greedy.newTokens);
    assert.deepEqual(finishReasons, ['length', 'length', 'length']);
    const pads = [4, 0, 6];
    assert.deepEqual(
      sequences,
      golden.prompts.map((prompt, b) => [...Array<number>(pads[b]).fill(96), ...prompt, ...newTokens[b]]),
    );
  });

  test(`repetition penalty as transformers', useCache ${useCache}`, async () => {
    const { penalty, newTokens } = golden.repetitionPenalty;
    const result = await model.generate({ ...BATCH, useCache, repetitionPenalty: penalty });
    assert.deepEqual(result.newTokens, newTokens);
  });
}

test('greedy tokens with a LoRA adapter are those of PEFT', async (t) => {
  const adapted = await AutoModelForCausalLM.fromPretrained(path.join(FOLDER, 'model'));
  t.after(() => adapted.dispose());
  await loadAdapter(adapted, path.join(FOLDER, 'adapter'));
  assert.deepEqual((await adapted.generate(BATCH)).newTokens, lora.greedy.newTokens);
});

test('padding on either side, with a mask, gives the same as none', async () => {
  const pad = (side: 'left' | 'right', row: number[], fill: (t: number) => number): number[] => {
    const extra = Array.from({ length: 10 - row.length }, (_, t) => fill(t));
    return side === 'left' ? [...extra, ...row] : [...row, ...extra];
  };
  for (const side of ['left', 'right'] as const) {
    const inputIds = golden.prompts.map((row) => pad(side, row, (t) => t + 7));
    const attentionMask = golden.prompts.map((row) =>
      pad(
        side,
        row.map(() => 1),
        () => 0,
      ),
    );
    const { newTokens } = await model.generate({ ...BATCH, inputIds, attentionMask });
    assert.deepEqual(newTokens, golden.greedy.newTokens);
  }
});

test('the eager engine generates the same tokens', async (t) => {
  const eager = await AutoModelForCausalLM.fromPretrained(path.join(FOLDER, 'model'), {
    engine: { kind: 'eager', backend: 'cpu' },
  });
  t.after(() => eager.dispose());
  const { newTokens } = await eager.generate({ ...BATCH, maxNewTokens: 4 });
  assert.deepEqual(
    newTokens,
    golden.greedy.newTokens.map((row) => row.slice(0, 4)),
  );
});

const PROMPTS = Array.from({ length: 9 }, (_, b) =>
  Array.from({ length: 3 + 2 * b }, (_, t) => 1 + b + 5 * t),
);
const SAMPLED: GenerateOptions = {
  inputIds: PROMPTS,
  maxNewTokens: 40,
  doSample: true,
  seed: 5,
  padTokenId: 0,
};

test('same seed, same tokens; another seed, others', async () => {
  const first = await bytes.generate(SAMPLED);
  assert.deepEqual(await bytes.generate(SAMPLED), first);
  assert.notDeepEqual(await bytes.generate({ ...SAMPLED, seed: 6 }), first);
});

test('sampled tokens are the same with and without cache', async () => {
  const shaped = { ...SAMPLED, temperature: 0.9, topK: 0, topP: 0.8, repetitionPenalty: 1.1 };
  assert.deepEqual(await bytes.generate({ ...shaped, useCache: false }), await bytes.generate(shaped));
});

test('rows of a batch equal single runs, also after finished rows were dropped', async () => {
  const unbounded = await bytes.generate({ inputIds: PROMPTS, maxNewTokens: 40, padTokenId: 0 });
  // Ends chosen so that most rows of the batch of 9 stop early: drops to 4 rows happen on the way.
  const eosTokenId = unbounded.newTokens.slice(0, 6).map((row, b) => row[4 + 2 * b]);
  const options = { maxNewTokens: 40, eosTokenId, padTokenId: 0 };
  const batch = await bytes.generate({ ...options, inputIds: PROMPTS });
  assert.ok(batch.finishReasons.filter((reason) => reason === 'eos').length >= 6);
  for (const [b, prompt] of PROMPTS.entries()) {
    const single = await bytes.generate({ ...options, inputIds: [prompt] });
    assert.deepEqual(single.newTokens[0], batch.newTokens[b], `row ${b}`);
    assert.equal(single.finishReasons[0], batch.finishReasons[b]);
  }
});

test('end-of-sequence tokens end a row, are part of it, and padding follows', async () => {
  const eosTokenId = [golden.greedy.newTokens[0][3], 5];
  const ends = golden.greedy.newTokens.map((row) => row.findIndex((token) => eosTokenId.includes(token)));
  const expected = golden.greedy.newTokens.map((row, b) => (ends[b] < 0 ? row : row.slice(0, ends[b] + 1)));
  const result = await model.generate({ ...BATCH, eosTokenId, padTokenId: 90 });
  assert.deepEqual(result.newTokens, expected);
  assert.deepEqual(
    result.finishReasons,
    ends.map((end) => (end < 0 ? 'length' : 'eos')),
  );
  const longest = Math.max(...expected.map((row) => row.length));
  assert.deepEqual(result.sequences[0].slice(9), [
    ...expected[0],
    ...Array<number>(longest - expected[0].length).fill(90),
  ]);
  // The end comes as token ends[0] + 1, so one fewer may be asked for without changing it.
  const least = { ...BATCH, inputIds: [golden.prompts[0]], eosTokenId, minNewTokens: ends[0] };
  assert.deepEqual((await model.generate(least)).newTokens[0], expected[0]);
  const more = await model.generate({ ...least, minNewTokens: ends[0] + 1 });
  assert.notEqual(more.newTokens[0][ends[0]], expected[0][ends[0]]);
  // Not before minNewTokens: the row then continues with another token in its place.
  const later = await model.generate({ ...BATCH, eosTokenId, padTokenId: 90, minNewTokens: 10 });
  assert.ok(later.newTokens.every((row) => row.length >= 10));
  assert.ok(later.newTokens.every((row) => row.slice(0, 10).every((token) => !eosTokenId.includes(token))));
});

test('the configuration’s end-of-sequence token counts unless told otherwise', async () => {
  const config = { ...model.config, eos_token_id: golden.greedy.newTokens[1][2] };
  const architecture = { ...model.architecture, toJson: () => config };
  const { engine, weights } = model;
  const other = new CausalLM({ architecture, parameters: weights.parameters }, engine); // not disposed: the engine is model's
  const { newTokens } = await other.generate({ ...BATCH, eosTokenId: undefined });
  assert.equal(newTokens[1].length, 3);
});

test('a stop string ends a row with the token that completes it', async () => {
  const inputIds = [[...Buffer.from('hello')]];
  const { newTokens } = await bytes.generate({ inputIds, maxNewTokens: 30 });
  const text = byteTokenizer.decode(newTokens[0].slice(6, 9));
  const stopped = await bytes.generate({
    inputIds,
    maxNewTokens: 30,
    stopStrings: [text, 'never there'],
    tokenizer: byteTokenizer,
  });
  const end = newTokens[0].findIndex((_, i) =>
    byteTokenizer.decode(newTokens[0].slice(0, i + 1)).includes(text),
  );
  assert.deepEqual(stopped.newTokens[0], newTokens[0].slice(0, end + 1));
  assert.deepEqual(stopped.finishReasons, ['stop']);
});

test('a row stops at the model’s context', async () => {
  const inputIds = [Array.from({ length: 60 }, (_, t) => t), [1, 2]];
  const { newTokens, finishReasons } = await model.generate({ ...BATCH, inputIds, maxNewTokens: 10 });
  assert.deepEqual(
    newTokens.map((row) => row.length),
    [4, 10],
  );
  assert.deepEqual(finishReasons, ['length', 'length']);
  const { newTokens: all } = await model.generate({ ...BATCH, inputIds: [[1]], maxNewTokens: 500 });
  assert.equal(all[0].length, 63);
});

test('tokens stream in order, row after row, and are the result', async () => {
  const [events, called]: [TokenEvent[], TokenEvent[]] = [[], []];
  const eosTokenId = golden.greedy.newTokens[0][3];
  const options: GenerateOptions = { ...BATCH, eosTokenId, onToken: (event) => called.push(event) };
  const stream = model.streamGenerate(options);
  let result: GenerationResult | undefined;
  while (result === undefined) {
    const next = await stream.next();
    if (next.done === true) result = next.value;
    else events.push(next.value);
  }
  assert.deepEqual(called, events);
  const sorted = events.slice().sort((a, b) => a.index - b.index || a.row - b.row);
  assert.deepEqual(events, sorted);
  for (const [row, tokens] of result.newTokens.entries()) {
    const own = events.filter((event) => event.row === row);
    assert.deepEqual(
      own.map((event) => event.token),
      tokens,
    );
  }
  assert.deepEqual(result, await model.generate({ ...BATCH, eosTokenId }));
});

test('an abandoned stream stops computing; an aborted signal ends with its reason', async () => {
  let count = 0;
  for await (const event of model.streamGenerate({ ...BATCH, onToken: () => count++ })) {
    if (event.index === 1 && event.row === 0) break;
  }
  assert.equal(count, 4);
  const controller = new AbortController();
  const reason = new Error('enough');
  const onToken = ({ index }: TokenEvent): void => {
    count = index;
    if (index === 2) controller.abort(reason);
  };
  await assert.rejects(model.generate({ ...BATCH, onToken, signal: controller.signal }), reason);
  assert.equal(count, 2);
});

const REFUSED: [string, unknown, RegExp][] = [
  ['an unknown option', { numReturnSequences: 2 }, /Unrecognized key.*numReturnSequences/],
  ['no rows', { inputIds: [] }, /generate:.*inputIds/s],
  ['an empty row', { inputIds: [[1], []] }, /at least one token in each prompt, got none in row 1/],
  ['an empty row by its mask', { inputIds: [[1, 2]], attentionMask: [[0, 0]] }, /got none in row 0/],
  ['a mask of other lengths', { attentionMask: [[1]] }, /attentionMask rows as long/],
  ['an id outside the vocabulary', { inputIds: [[1, 97]] }, /ids from 0 to 96, got 97 in row 0/],
  ['half an id', { inputIds: [[1.5]] }, /ids from 0 to 96, got 1.5/],
  [
    'a prompt without room',
    { inputIds: [Array(64).fill(1)] },
    /under the model's context of 64.*got 64 in row 0/,
  ],
  ['no new tokens', { maxNewTokens: 0 }, /maxNewTokens/],
  ['temperature 0', { temperature: 0 }, /temperature/],
  ['topP over 1', { topP: 1.1 }, /topP/],
  ['a negative topK', { topK: -1 }, /topK/],
  ['an empty stop string', { stopStrings: '', tokenizer: byteTokenizer }, /stopStrings/],
  ['stop strings without a tokenizer', { stopStrings: ['x'] }, /expected a tokenizer/],
  ['no padding for rows that end apart', { padTokenId: undefined }, /expected a padTokenId/],
];
for (const [what, change, message] of REFUSED) {
  test(`refused before it starts: ${what}`, async () => {
    await assert.rejects(model.generate({ ...BATCH, ...(change as object) }), (error: Error) => {
      assert.equal(error.name, 'TunebookError');
      assert.match(error.message, message);
      return true;
    });
  });
}
