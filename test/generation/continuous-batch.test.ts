/** Calls that join and leave a running batch get what they get alone. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { BatchFullError, ContinuousBatch, generate, streamGenerate } from '../../lib/generation';
import type { BatchCall, GenerationResult } from '../../lib/generation';
import { createRandom } from '../../lib/dataset';
import { AutoModelForCausalLM, getPeftModel } from '../../lib/pretrained';
import type { CausalLM } from '../../lib/pretrained';
import { allocateGradients, batchLoss, forwardBackward, LoraConfig } from '../../lib/models';

const V = 60;
const GPT2 = { model_type: 'gpt2', vocab_size: V, n_positions: 200, n_embd: 16, n_layer: 2, n_head: 2 };
const MISTRAL = {
  ...{ model_type: 'mistral', vocab_size: V, hidden_size: 16, intermediate_size: 24, num_hidden_layers: 2 },
  ...{ num_attention_heads: 4, num_key_value_heads: 2, max_position_embeddings: 120, sliding_window: 11 },
};

let model: CausalLM;
before(async () => {
  model = await AutoModelForCausalLM.fromConfig({ ...GPT2, initializer_range: 0.3 }, { seed: 3 });
});
after(() => model.dispose());

/** Prompts of several lengths, answers of several lengths, greedy and drawn. */
function calls(count: number, maxPositions: number): BatchCall[] {
  const random = createRandom('continuous batch', count);
  return Array.from({ length: count }, (_, i) => ({
    inputIds: [Array.from({ length: 1 + random.nextInt(maxPositions / 3) }, () => random.nextInt(V))],
    maxNewTokens: 1 + random.nextInt(maxPositions / 2),
    eosTokenId: 7,
    ...(i % 2 === 0 ? {} : { doSample: true, seed: i, temperature: 0.9, topK: 20 }),
  }));
}

for (const [name, config] of Object.entries({ gpt2: GPT2, 'mistral with a window': MISTRAL }))
  test(`${name}: what joins a running batch is what it is alone`, async (t) => {
    const own = await AutoModelForCausalLM.fromConfig({ ...config, initializer_range: 0.3 }, { seed: 2 });
    t.after(() => own.dispose());
    const all = calls(24, own.architecture.maxPositions);
    const alone: GenerationResult[] = [];
    for (const call of all) alone.push(await generate(own, call));
    const batch = new ContinuousBatch(own, { maxRows: 5 });
    t.after(() => batch.close());
    const results = all.map(async (call, i) => {
      await sleep(i * 3);
      return batch.generate(call);
    });
    assert.deepEqual(await Promise.all(results), alone);
    const { running, waiting, steps, stepRows, admitted, waitedMs } = batch.counts;
    assert.deepEqual([running, waiting, admitted], [0, 0, 24]);
    assert.ok(waitedMs > 0, 'some have waited for one of five places');
    assert.ok(stepRows > 1.5 * steps, `${stepRows} rows in ${steps} steps: nothing was batched`);
  });

test('a call of several prompts has a place for each, and its own random stream for each', async (t) => {
  const call = {
    inputIds: [[1, 2], [1, 2], [3], [4, 5, 6, 7]],
    maxNewTokens: 12,
    eosTokenId: null,
    padTokenId: 0,
    doSample: true,
    seed: 5,
  };
  const alone = await generate(model, call);
  const batch = new ContinuousBatch(model, { maxRows: 3 });
  t.after(() => batch.close());
  const events: string[] = [];
  const result = await batch.generate({
    ...call,
    onToken: ({ row, index }) => events.push(`${row} ${index}`),
  });
  assert.deepEqual(result, alone);
  assert.notDeepEqual(result.newTokens[0], result.newTokens[1]);
  assert.equal(new Set(events).size, 48);
});

test('a call joins at the next token of a running one, and both go on', async (t) => {
  const order: string[] = [];
  const long = { inputIds: [[1]], maxNewTokens: 60, eosTokenId: null };
  const short = { inputIds: [[9, 8, 7]], maxNewTokens: 5, eosTokenId: null };
  const alone = [await generate(model, long), await generate(model, short)];
  const batch = new ContinuousBatch(model, { maxRows: 2 });
  t.after(() => batch.close());
  let joined: Promise<GenerationResult> | undefined;
  const first = batch.generate({
    ...long,
    onToken: ({ index }) => {
      order.push(`long ${index}`);
      if (index === 9)
        joined = batch.generate({ ...short, onToken: (event) => order.push(`short ${event.index}`) });
    },
  });
  assert.deepEqual([await first, await joined], alone);
  const from = order.indexOf('short 0');
  assert.equal(order[from - 1], 'long 9');
  assert.deepEqual(order.slice(from, from + 5), ['short 0', 'long 10', 'short 1', 'long 11', 'short 2']);
});

test('while a long prompt is read, the others go on by steps, and all have what they have alone', async (t) => {
  const config = { ...GPT2, n_positions: 600, n_layer: 4, initializer_range: 0.3 };
  const own = await AutoModelForCausalLM.fromConfig(config, { seed: 5 });
  t.after(() => own.dispose());
  getPeftModel(own, new LoraConfig({ r: 2, targetModules: ['c_attn'] }), { adapterName: 'one' });
  const random = createRandom('long prompt');
  for (const parameter of own.trainableParameters())
    for (let i = 0; i < parameter.data.length; i++) parameter.data[i] = 0.3 * random.nextNormal();
  const short = { inputIds: [[1, 2]], maxNewTokens: 30, eosTokenId: null };
  const long = {
    inputIds: [Array.from({ length: 512 }, (_, i) => (7 * i) % V)],
    maxNewTokens: 9,
    eosTokenId: null,
  };
  own.disableAdapters();
  const alone = [await generate(own, short), await generate(own, long)];
  for (const adapter of [undefined, 'one']) {
    if (adapter !== undefined) {
      own.setAdapter(adapter);
      const adapted = await generate(own, long);
      assert.notDeepEqual(adapted.newTokens, alone[1].newTokens);
      alone[1] = adapted;
    }
    const batch = new ContinuousBatch(own, { maxRows: 2 });
    const order: string[] = [];
    let second: Promise<GenerationResult> | undefined;
    const first = batch.generate({
      ...short,
      onToken: ({ index }) => {
        order.push('short');
        if (index !== 4) return;
        order.length = 0;
        second = batch.generate({ ...long, adapter, onToken: () => void order.push('long') });
      },
    });
    assert.deepEqual([await first, await second], alone);
    // 512 tokens through one layer of four are worth 128: a step after each.
    assert.equal(order.indexOf('long'), 4);
    await batch.close();
  }
});

test('a client that leaves while its prompt is read frees its place before the prompt ends', async (t) => {
  const config = { ...GPT2, n_positions: 600, n_layer: 4, initializer_range: 0.3 };
  const own = await AutoModelForCausalLM.fromConfig(config, { seed: 5 });
  t.after(() => own.dispose());
  const short = { inputIds: [[1, 2]], maxNewTokens: 30, eosTokenId: null };
  const alone = await generate(own, short);
  const batch = new ContinuousBatch(own, { maxRows: 2 });
  t.after(() => batch.close());
  const client = new AbortController();
  const steps: number[] = [];
  let left: Promise<unknown> | undefined;
  const first = batch.generate({
    ...short,
    onToken: ({ index }) => {
      if (index === 4)
        left = batch.generate({ inputIds: [Array.from({ length: 512 }, () => 3)], signal: client.signal });
      left?.catch(() => undefined); // it is looked at below
      if (index === 5) client.abort(new Error('left'));
      steps.push(batch.counts.running);
    },
  });
  const [, next] = await Promise.all([first, first.then(() => batch.generate(short))]);
  await assert.rejects(left ?? Promise.resolve(), /left/);
  assert.deepEqual(await first, alone);
  assert.deepEqual(next, alone);
  // A place from the fifth token on, none any more from the seventh.
  assert.deepEqual(steps.slice(3, 8), [1, 1, 2, 1, 1]);
});

test('adapters take turns: each call has the numbers of its own', async (t) => {
  const own = await AutoModelForCausalLM.fromConfig({ ...GPT2, initializer_range: 0.3 }, { seed: 4 });
  t.after(() => own.dispose());
  for (const adapterName of ['one', 'two']) {
    getPeftModel(own, new LoraConfig({ r: 4, targetModules: ['c_attn', 'c_fc'] }), { adapterName });
    const random = createRandom(adapterName);
    for (const parameter of own.trainableParameters())
      for (let i = 0; i < parameter.data.length; i++) parameter.data[i] = 0.3 * random.nextNormal();
  }
  const call = { inputIds: [[1, 2, 3]], maxNewTokens: 20, eosTokenId: null };
  const alone: number[][][] = [];
  for (const adapter of ['one', 'two', undefined]) {
    if (adapter === undefined) own.disableAdapters();
    else own.setAdapter(adapter);
    alone.push((await generate(own, call)).newTokens);
  }
  assert.equal(new Set(alone.map((tokens) => tokens.join())).size, 3);
  own.setAdapter('two');
  const batch = new ContinuousBatch(own, { maxRows: 4 });
  t.after(() => batch.close());
  const order = ['one', 'two', undefined, 'two', 'one', undefined];
  const results = await Promise.all(order.map((adapter) => batch.generate({ ...call, adapter })));
  assert.deepEqual(
    results.map(({ newTokens }) => newTokens),
    [0, 1, 2, 1, 0, 2].map((i) => alone[i]),
  );
  assert.throws(() => batch.generate({ ...call, adapter: 'three' }), {
    message: /expected an adapter on the model \(one, two\), got 'three'/,
  });
  await batch.close();
  assert.equal(own.activeAdapter, 'two', 'the adapter in use before is in use again');
});

test('an aborted call frees its place for the next one; a full queue is reported at once', async (t) => {
  const batch = new ContinuousBatch(model, { maxRows: 1, maxWaiting: 1 });
  t.after(() => batch.close());
  const call = { inputIds: [[1]], maxNewTokens: 150, eosTokenId: null };
  const abort = new AbortController();
  let seen = 0;
  const first = batch.generate({
    ...call,
    signal: abort.signal,
    onToken: () => (seen += 1) === 5 && abort.abort(),
  });
  const second = batch.generate({ ...call, maxNewTokens: 3 });
  assert.throws(() => batch.generate(call), {
    name: 'BatchFullError',
    message: /expected at most 0 more rows \(0 run, 2 wait\), got 1/,
  });
  assert.ok(new BatchFullError('x') instanceof Error);
  await assert.rejects(first, { name: 'AbortError' });
  assert.equal((await second).newTokens[0].length, 3);
  assert.equal(seen, 5);
  // A prompt's logits give the first token: no step was taken for what nobody waits for.
  assert.equal(batch.counts.steps, 4 + 2);
  assert.deepEqual(batch.counts.running, 0);
  // One that waits is gone at once.
  const waitingAbort = new AbortController();
  const running = batch.generate(call);
  const waits = batch.generate({ ...call, signal: waitingAbort.signal });
  waitingAbort.abort();
  await assert.rejects(waits, { name: 'AbortError' });
  assert.equal(batch.counts.waiting, 1); // the first, which begins with the next turn
  assert.equal((await running).newTokens[0].length, 150);
});

test('an error in one call ends that call alone', async (t) => {
  const call = { inputIds: [[1]], maxNewTokens: 10, eosTokenId: null };
  const alone = await generate(model, call);
  const batch = new ContinuousBatch(model, { maxRows: 4 });
  t.after(() => batch.close());
  const wrong = batch.generate({
    ...call,
    onToken: () => {
      throw new Error('no listener');
    },
  });
  const right = batch.generate(call);
  await assert.rejects(wrong, { message: 'no listener' });
  assert.deepEqual(await right, alone);
  assert.throws(() => batch.generate({ ...call, inputIds: [[V]] }), {
    message: /expected token ids from 0 to 59/,
  });
  assert.throws(() => batch.generate({ ...call, useCache: false }), {
    message: /expected useCache to be true/,
  });
  assert.throws(() => new ContinuousBatch(model, { maxRows: 0 }), {
    message: /maxRows to be an integer of at least 1/,
  });
  assert.throws(() => new ContinuousBatch(model, { maxWaiting: -1 }), {
    message: /maxWaiting to be an integer from 0/,
  });
});

test('closing ends running and waiting calls', async () => {
  const batch = new ContinuousBatch(model, { maxRows: 1 });
  const call = { inputIds: [[1]], maxNewTokens: 150, eosTokenId: null };
  const both = [batch.generate(call), batch.generate(call)].map((one) =>
    assert.rejects(one, { message: /it was closed before this call had ended/ }),
  );
  await sleep(5);
  await batch.close();
  await Promise.all(both);
  assert.throws(() => batch.generate(call), { message: /expected an open batch/ });
});

test('a model has one batch at a time: two would take each other’s adapters', async () => {
  const batch = new ContinuousBatch(model);
  const second = (): ContinuousBatch => new ContinuousBatch(model);
  const inUse = { message: /expected a model that no open batch or server uses, got one in use/ };
  assert.throws(second, inUse);
  const call = { inputIds: [[1]], maxNewTokens: 150, eosTokenId: null };
  const ended = assert.rejects(batch.generate(call), { message: /it was closed/ });
  await sleep(5);
  const closing = batch.close();
  assert.throws(second, inUse, 'its last step is still computed');
  await Promise.all([closing, ended]);
  await second().close();
});

test('an open batch has the model alone: others are refused in words, and may go on after close()', async (t) => {
  const own = await AutoModelForCausalLM.fromConfig({ ...GPT2, initializer_range: 0.3 }, { seed: 4 });
  t.after(() => own.dispose());
  getPeftModel(own, new LoraConfig({ r: 2, targetModules: ['c_attn'] }), { adapterName: 'one' });
  const call = { inputIds: [[1, 2]], maxNewTokens: 20, eosTokenId: null };
  const alone = await generate(own, call);
  const stream = streamGenerate(own, call);
  await stream.next();
  const batch = new ContinuousBatch(own);
  const inUse = {
    message: /expected a model that no open batch or server uses, got one in use.*Ask the one/,
  };
  await assert.rejects(stream.next(), inUse, 'one that had begun');
  await assert.rejects(generate(own, call), inUse);
  await assert.rejects(own.forward({ inputIds: [[1]] }), inUse);
  const ids = Int32Array.of(1, 2);
  const batchOf = { inputIds: ids, labels: ids, attentionMask: Int32Array.of(1, 1), shape: [1, 2] as const };
  const gradients = allocateGradients(own.trainableParameters());
  const request = { batch: batchOf, lossScale: 1, accumulate: false, gradientCheckpointing: false };
  await assert.rejects(forwardBackward(own, gradients, request), inUse);
  await assert.rejects(batchLoss(own, batchOf, { lossScale: 1 }), inUse);
  // While a call is computed its weights and its adapter stay as they are.
  const refused: string[] = [];
  const changes: Record<string, () => unknown> = {
    add: () => getPeftModel(own, new LoraConfig({ r: 2, targetModules: ['c_fc'] }), { adapterName: 'one' }),
    use: () => own.setAdapter('one'),
    disable: () => own.disableAdapters(),
    delete: () => own.deleteAdapter('one'),
    merge: () => own.mergeAndUnload(),
    train: () => own.trainableParameters(),
    set: () => own.weights.setParameter('wpe.weight', new Float32Array(200 * 16)),
  };
  const running = batch.generate({
    ...call,
    adapter: 'one',
    onToken: ({ index }) => {
      if (index !== 3) return;
      for (const [name, change] of Object.entries(changes))
        try {
          change();
        } catch (error) {
          if (/expected no running call of a batch or server/.test(String(error))) refused.push(name);
        }
    },
  });
  assert.deepEqual(await running, alone);
  assert.deepEqual(refused, Object.keys(changes));
  await batch.close();
  assert.deepEqual(await generate(own, call), alone);
  own.deleteAdapter('one');
});

test('log-probabilities are those of the model, whatever draws', async () => {
  const call = { inputIds: [[1, 2, 3]], maxNewTokens: 1, topLogprobs: 3, repetitionPenalty: 2 };
  const { logits } = await model.forward({ inputIds: call.inputIds });
  const last = [...logits.data.subarray(2 * V)];
  const all = Math.log(last.reduce((sum, value) => sum + Math.exp(value), 0));
  const ranked = [...last.keys()].sort((a, b) => last[b] - last[a]);
  const events: unknown[] = [];
  const close = (value: number): string => value.toFixed(4);
  for (const doSample of [false, true])
    await generate(model, {
      ...{ ...call, doSample, temperature: 3 },
      onToken: ({ token, logprobs }) => {
        events.push(token);
        assert.equal(close(logprobs?.logprob ?? NaN), close(last[token] - all));
        assert.deepEqual(
          logprobs?.top.map((one) => [one.token, close(one.logprob)]),
          ranked.slice(0, 3).map((id) => [id, close(last[id] - all)]),
        );
      },
    });
  assert.equal(events.length, 2);
});
