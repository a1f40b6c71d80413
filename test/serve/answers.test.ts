/** What the `openai` client gets is what `generate` gives, whole and streamed, alone and beside others. */
import assert from 'node:assert/strict';
import fs from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { generate, textGenerator } from '../../lib/generation';
import { AutoModelForCausalLM, savePretrained } from '../../lib/pretrained';
import { instructionTemplate } from '../../lib/prompts';
import { AutoEmbeddings } from '../../lib/retrieval';
import { serve } from '../../lib/serve';
import { AutoTokenizer } from '../../lib/tokenizer';
import { temporaryFolder } from '../support/temporary-folder';
import { clientOf, smallModel, smallTokenizer, startSmall } from './small-server';

test('chat: the text of the template’s prompt, streamed as whole, with usage', async (t) => {
  const { twin: model, tokenizer, client } = await startSmall(t);
  const messages = [
    { role: 'developer' as const, content: 'Be short.' },
    { role: 'user' as const, content: [{ type: 'text' as const, text: 'How was the sled?' }] },
  ];
  const prompt = '<s>[system]Be short.\n[user]How was the sled?\n[assistant]';
  const ids = tokenizer.encode(prompt, { addSpecialTokens: false });
  assert.deepEqual(ids.filter((id) => id === 300).length, 1, 'the first token stands once');
  const options = { inputIds: [ids], maxNewTokens: 30, eosTokenId: 301 };
  const { newTokens, finishReasons } = await generate(model, options);
  const wanted = tokenizer.decode(newTokens[0], { skipSpecialTokens: true });
  const body = { model: 'small', messages, temperature: 0, max_completion_tokens: 30 };
  const whole = await client.chat.completions.create(body);
  assert.equal(whole.choices[0].message.content, wanted);
  assert.deepEqual([whole.choices[0].finish_reason, ...finishReasons], ['length', 'length']);
  assert.equal(whole.object, 'chat.completion');
  const usage = { prompt_tokens: ids.length, completion_tokens: newTokens[0].length };
  assert.deepEqual(whole.usage, { ...usage, total_tokens: usage.prompt_tokens + usage.completion_tokens });
  let text = '';
  let chunks = 0;
  let told: unknown;
  let reason: string | null = null;
  const stream = await client.chat.completions.create({
    ...body,
    stream: true,
    stream_options: { include_usage: true },
  });
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? '';
    chunks++;
    reason ??= chunk.choices[0]?.finish_reason ?? null;
    told = chunk.usage ?? told;
  }
  assert.equal(text, wanted);
  assert.ok(chunks > 5, `${chunks} chunks`);
  assert.equal(reason, whole.choices[0].finish_reason);
  assert.deepEqual(told, whole.usage);
});

test('completions: a text, several, token ids; n choices from one seed', async (t) => {
  const { twin: model, tokenizer, client } = await startSmall(t);
  const texts = ['The sled', 'Row', 'Wall balls: 6:05'];
  const options = { model, tokenizer, maxNewTokens: 12, eosTokenId: 301 };
  const wanted = await textGenerator(options)(texts);
  const body = { model: 'small', temperature: 0, max_tokens: 12 };
  const several = await client.completions.create({ ...body, prompt: texts });
  assert.deepEqual(
    several.choices.map(({ text }) => text),
    wanted,
  );
  const one = await client.completions.create({ ...body, prompt: texts[1] });
  assert.equal(one.choices[0].text, wanted[1]);
  const ids = texts.map((text) => tokenizer.encode(text));
  const byIds = await client.completions.create({ ...body, prompt: ids[2] });
  assert.equal(byIds.choices[0].text, wanted[2]);
  const rows = await client.completions.create({ ...body, prompt: ids });
  assert.deepEqual(
    rows.choices.map(({ text }) => text),
    wanted,
  );
  const inputIds = [ids[0], ids[0], ids[0]];
  const drawn = await generate(model, {
    ...{ inputIds, maxNewTokens: 16, eosTokenId: 301, padTokenId: 301 },
    ...{ doSample: true, temperature: 0.8, topP: 0.9, topK: 0, seed: 11 },
  });
  const choices = await client.completions.create({
    ...{ model: 'small', prompt: texts[0], n: 3, seed: 11, temperature: 0.8, top_p: 0.9 },
  });
  assert.deepEqual(
    choices.choices.map(({ text }) => text),
    drawn.newTokens.map((tokens) => tokenizer.decode(tokens, { skipSpecialTokens: true })),
  );
  assert.equal(new Set(choices.choices.map(({ text }) => text)).size, 3);
  assert.equal(choices.usage?.prompt_tokens, ids[0].length);
});

test('no part of a stop string is sent, although it comes in several tokens', async (t) => {
  const { tokenizer, twin: model, client } = await startSmall(t);
  const body = { model: 'small', prompt: 'The sled', temperature: 0, max_tokens: 40 };
  const [whole] = await textGenerator({ model, tokenizer, maxNewTokens: 40, eosTokenId: 301 })(['The sled']);
  for (const [from, length] of [
    [9, 4],
    [15, 7],
    [20, 2],
  ]) {
    const stop = whole.slice(from, from + length);
    const wanted = whole.slice(0, whole.indexOf(stop));
    const pieces: string[] = [];
    let reason: string | undefined;
    const stream = await client.completions.create({ ...body, stop: [stop, 'never'], stream: true });
    for await (const { choices } of stream) {
      pieces.push(choices[0].text);
      reason = choices[0].finish_reason ?? reason;
    }
    assert.equal(pieces.join(''), wanted);
    assert.equal(reason, 'stop');
    const answer = await client.completions.create({ ...body, stop });
    assert.equal(answer.choices[0].text, wanted);
  }
});

test('what a request leaves out is as the folder says: how tokens are drawn, and what ends an answer', async (t) => {
  const folder = await temporaryFolder(t);
  const [tokenizer, small] = [await smallTokenizer(t), await smallModel()];
  const messages = [{ role: 'user' as const, content: 'sled?' }];
  const ask = async (topP: number, stopStrings: string[], stop?: string): Promise<string> => {
    const template = instructionTemplate({ prompt: 'Q: {input}\nA:', stopStrings });
    await savePretrained(small, folder, { prompt: { tokenizer, template } });
    const config = { do_sample: true, temperature: 1.5, top_p: topP };
    await fs.writeFile(path.join(folder, 'generation_config.json'), JSON.stringify(config));
    const model = await AutoModelForCausalLM.fromPretrained(folder);
    const own = await AutoTokenizer.fromPretrained(folder);
    const server = await serve(model, { tokenizer: own, name: 'saved', port: 0 });
    const asked = { model: 'saved', messages, max_tokens: 30, seed: 5, stop };
    const { choices } = await clientOf(server).chat.completions.create(asked);
    await server.close();
    await model.dispose();
    return choices[0].message.content ?? '';
  };
  // Of the most likely token alone, whatever the temperature.
  const greedy = await ask(1e-9, []);
  const [wanted] = await textGenerator({ model: small, tokenizer, maxNewTokens: 30, eosTokenId: 301 })([
    'Q: sled?\nA:',
  ]);
  assert.equal(greedy, wanted);
  assert.notEqual(await ask(1, []), wanted);
  const [early, late] = [wanted.slice(6, 9), wanted.slice(14, 17)];
  assert.equal(await ask(1e-9, [late]), wanted.slice(0, wanted.indexOf(late)));
  assert.equal(await ask(1e-9, [late], early), wanted.slice(0, wanted.indexOf(early)));
  assert.equal(await ask(1e-9, [early], late), wanted.slice(0, wanted.indexOf(early)));
  await small.dispose();
});

test('log-probabilities, whole and in chunks', async (t) => {
  const { twin: model, tokenizer, client } = await startSmall(t);
  const messages = [{ role: 'user' as const, content: 'Row' }];
  const body = { model: 'small', messages, temperature: 0, max_tokens: 6, logprobs: true, top_logprobs: 2 };
  const whole = await client.chat.completions.create(body);
  const told = whole.choices[0].logprobs?.content ?? [];
  assert.equal(told.length, whole.usage?.completion_tokens);
  const ids = tokenizer.encode('<s>[user]Row\n[assistant]', { addSpecialTokens: false });
  const { logits } = await model.forward({ inputIds: [ids] });
  const last = [...logits.data.subarray((ids.length - 1) * 305)];
  const all = Math.log(last.reduce((sum, value) => sum + Math.exp(value), 0));
  const best = Math.max(...last);
  assert.ok(Math.abs(told[0].logprob - (best - all)) < 1e-4, `${told[0].logprob}, not ${best - all}`);
  assert.equal(told[0].top_logprobs.length, 2);
  assert.equal(told[0].top_logprobs[0].token, told[0].token);
  assert.equal(told[0].token, tokenizer.decode([last.indexOf(best)]));
  const streamed: unknown[] = [];
  for await (const { choices } of await client.chat.completions.create({ ...body, stream: true }))
    streamed.push(...(choices[0].logprobs?.content ?? []));
  assert.deepEqual(streamed, told);
  const completion = await client.completions.create({
    ...{ model: 'small', prompt: ids, temperature: 0, max_tokens: 6, logprobs: 1 },
  });
  assert.deepEqual(
    completion.choices[0].logprobs?.token_logprobs,
    told.map(({ logprob }) => logprob),
  );
});

test('overlapping requests, of several adapters, greedy and sampled, get what they get alone', async (t) => {
  const { client, server } = await startSmall(t, { adapters: ['one', 'two'], maxBatch: 4, maxQueue: 100 });
  const { data } = await client.models.list();
  assert.deepEqual(
    data.map(({ id }) => id),
    ['small', 'one', 'two'],
  );
  assert.equal((await client.models.retrieve('two')).id, 'two');
  const ask = async (i: number, stream: boolean): Promise<string> => {
    const body = {
      model: ['small', 'one', 'two'][i % 3],
      prompt: 'The sled was slow. '.repeat(1 + (i % 4)),
      max_tokens: 8 + ((i * 7) % 40),
      ...(i % 2 === 0 ? { temperature: 0 } : { temperature: 0.9, seed: i }),
    };
    if (!stream) return (await client.completions.create(body)).choices[0].text;
    let text = '';
    for await (const { choices } of await client.completions.create({ ...body, stream: true }))
      text += choices[0].text;
    return text;
  };
  const numbers = Array.from({ length: 24 }, (_, i) => i);
  const alone: string[] = [];
  for (const i of numbers) alone.push(await ask(i, false));
  assert.ok(new Set(alone).size > 20);
  const before = (await (await fetch(`${server.url}/health`)).json()) as { steps: number; stepRows: number };
  assert.equal(before.stepRows, before.steps, 'one at a time');
  assert.deepEqual(await Promise.all(numbers.map((i) => ask(i, i % 3 === 0))), alone);
  const { steps, stepRows } = (await (await fetch(`${server.url}/health`)).json()) as typeof before;
  const mean = (stepRows - before.stepRows) / (steps - before.steps);
  assert.ok(mean > 1.2, `${mean.toFixed(2)} rows a step`);
});

test('embeddings: those of the model, as numbers or base64 as requested', async (t) => {
  const embeddings = await AutoEmbeddings.fromPretrained('use-lite');
  const { client, server } = await startSmall(t, { embeddings, embeddingsName: 'use-lite' });
  const texts = ['How do I get faster on the rower?', 'Rest before the race.'];
  const wanted = (await embeddings.embedDocuments(texts)).map((vector) => Float32Array.from(vector));
  const { data } = await client.embeddings.create({ model: 'use-lite', input: texts });
  assert.deepEqual(
    data.map(({ embedding }) => Float32Array.from(embedding)),
    wanted,
  );
  const plain = await client.embeddings.create({
    model: 'use-lite',
    input: texts[1],
    encoding_format: 'float',
  });
  // Alone and beside another a text's numbers differ in their last bits.
  const worst = Math.max(...plain.data[0].embedding.map((value, i) => Math.abs(value - wanted[1][i])));
  assert.ok(worst < 1e-6, `${worst}`);
  assert.deepEqual(
    (await client.models.list()).data.map(({ id }) => id),
    ['small', 'use-lite'],
  );
  for (const [body, message] of [
    [{ input: [[1, 2]] }, /expected texts, got token ids/],
    [{ input: 'a', dimensions: 3 }, /dimensions: expected 512, which is what this model has, got 3/],
    [{ input: '' }, /input: /],
  ] as const) {
    const response = await fetch(`${server.url}/v1/embeddings`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'use-lite', ...body }),
    });
    assert.equal(response.status, 400);
    assert.match(await response.text(), message);
  }
});
