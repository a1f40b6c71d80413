/** What /metrics says after a conversation: its figures are those of the answers, and its second turn begins as the first. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type OpenAI from 'openai';
import { startSmall } from './small-server';

test('counts requests, tokens, steps, and tokens that a second turn has in common with the first', async (t) => {
  const { client, server } = await startSmall(t);
  const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: 'user', content: 'x'.repeat(50) }];
  const ask = async (): Promise<OpenAI.ChatCompletion> =>
    client.chat.completions.create({ model: 'small', messages, max_tokens: 6, temperature: 0 });
  const first = await ask();
  messages.push(first.choices[0].message, { role: 'user', content: 'more' });
  const second = await ask();
  const refused = await fetch(`${server.url}/v1/completions`, {
    ...{ method: 'POST', body: '{', headers: { 'content-type': 'application/json' } },
  });
  assert.equal(refused.status, 400);

  const text = await (await fetch(`${server.url}/metrics`)).text();
  const value = (name: string): number => {
    const line = text.split('\n').find((one) => one.startsWith(`tunebook_${name} `));
    return Number(line?.slice(line.lastIndexOf(' ')));
  };
  const usages = [first, second].map(({ usage }) => usage);
  const sum = (key: 'prompt_tokens' | 'completion_tokens'): number =>
    usages.reduce((total, usage) => total + (usage?.[key] ?? NaN), 0);
  assert.equal(value('prompt_tokens_total'), sum('prompt_tokens'));
  assert.equal(value('generation_tokens_total'), sum('completion_tokens'));
  // Whole pieces of 32 tokens of the first prompt.
  const common = usages[0]?.prompt_tokens ?? NaN;
  assert.equal(value('prompt_tokens_reused'), common - (common % 32));
  assert.ok(common >= 64);
  assert.equal(value('rows_admitted'), 2);
  assert.deepEqual([value('rows_running'), value('rows_waiting')], [0, 0]);
  assert.equal(value('step_rows'), value('steps'), 'one row a step');
  assert.equal(value('requests_total{route="/v1/chat/completions",status="200"}'), 2);
  assert.equal(value('requests_total{route="/v1/completions",status="400"}'), 1);
});
