/** `tunebook serve` as a person starts it: from its first line to its end by a signal. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import OpenAI from 'openai';
import { generate } from '../../lib/generation';
import { saveAdapter, savePretrained } from '../../lib/pretrained';
import { instructionTemplate } from '../../lib/prompts';
import { CLI } from '../support/paths';
import { temporaryFolder } from '../support/temporary-folder';
import { putAdapter, smallModel, smallTokenizer } from './small-server';

const TOKEN = 'never-printed-8c1f';

/** A command that runs, and what it has written. */
interface Command {
  readonly process: ChildProcess;
  readonly output: () => string;
  readonly url: string;
}

async function start(args: readonly string[], env: NodeJS.ProcessEnv): Promise<Command> {
  const child = spawn(process.execPath, [CLI, 'serve', ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  let found: string | undefined;
  const started = new Promise<string>((resolve, reject) => {
    const read = (piece: Buffer): void => {
      text += piece.toString();
      found ??= /on (http:\/\/127\.0\.0\.1:\d+)/.exec(text)?.[1];
      if (found !== undefined) resolve(found);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('exit', (code) => reject(new Error(`ended with ${code}: ${text}`)));
  });
  return { process: child, output: () => text, url: await started };
}

test('serves a saved model and an adapter by their names; SIGTERM lets an answer end, and exits with 0', async (t) => {
  const folder = await temporaryFolder(t);
  const place = (name: string): string => path.join(folder, name);
  const tokenizer = await smallTokenizer(t);
  const model = await smallModel();
  t.after(() => model.dispose());
  const template = instructionTemplate({ system: 'You are a coach.', prompt: 'Q: {input}\nA:' });
  await savePretrained(model, place('base'), { prompt: { tokenizer, template } });
  putAdapter(model, 'quick');
  await saveAdapter(model, place('quick'), place('base'));
  const prompt = tokenizer.encode('Q: sled?\nA:');
  const wanted = await generate(model, { inputIds: [prompt], maxNewTokens: 60, eosTokenId: 301 });
  const text = tokenizer.decode(wanted.newTokens[0], { skipSpecialTokens: true });

  const args = [place('base'), '-a', place('quick'), '-a', `other=${place('quick')}`, '--port', '0', '--log'];
  const command = await start(args, { TUNEBOOK_TOKEN: TOKEN });
  t.after(() => command.process.kill('SIGKILL'));
  const client = new OpenAI({ baseURL: `${command.url}/v1`, apiKey: TOKEN, maxRetries: 0 });
  const { data } = await client.models.list();
  assert.deepEqual(
    data.map(({ id }) => id),
    ['base', 'quick', 'other'],
  );
  assert.equal((await fetch(`${command.url}/v1/models`)).status, 401);
  // The prompt of the training, of what was saved with the model.
  const stream = await client.chat.completions.create({
    ...{
      model: 'quick',
      messages: [{ role: 'user' as const, content: 'sled?' }],
      temperature: 0,
      max_tokens: 60,
    },
    stream: true,
  });
  let streamed = '';
  let isFirst = true;
  const exited = once(command.process, 'exit');
  for await (const { choices } of stream) {
    if (isFirst) command.process.kill('SIGTERM');
    isFirst = false;
    streamed += choices[0].delta.content ?? '';
  }
  assert.equal(streamed, text);
  assert.deepEqual(await exited, [0, null]);
  const output = command.output();
  assert.match(output, /Serving base, quick, other on http/);
  assert.match(output, /POST \/v1\/chat\/completions 200 \d+ ms quick \d+ \+ \d+ tokens/);
  assert.match(output, /Ending: no more requests/);
  assert.doesNotMatch(output, new RegExp(TOKEN));
  assert.doesNotMatch(output, /sled/, 'no prompt is logged');

  const tokenFile = place('token');
  await fs.writeFile(tokenFile, `${TOKEN}\n`);
  const taken = await start([place('base'), '--port', '0', '--token-file', tokenFile, '--name', 'mine'], {});
  t.after(() => taken.process.kill('SIGKILL'));
  const named = new OpenAI({ baseURL: `${taken.url}/v1`, apiKey: TOKEN, maxRetries: 0 });
  assert.equal((await named.models.list()).data[0].id, 'mine');
  const { port } = new URL(taken.url);
  const second = spawnSync(process.execPath, [CLI, 'serve', place('base'), '--port', port], {
    encoding: 'utf8',
  });
  assert.equal(second.status, 1);
  assert.match(second.stderr, new RegExp(`serve: port ${port} of 127\\.0\\.0\\.1 is in use`));
  const stopped = once(taken.process, 'exit');
  taken.process.kill('SIGINT');
  assert.deepEqual(await stopped, [0, null]);
});
