/** What a server refuses: tokens, hosts, bodies, parameters, queues, time; and what it does when a client leaves. */
import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import OpenAI from 'openai';
import { serve } from '../../lib/serve';
import { EmbeddingQueue } from '../../lib/serve/answers/embeddings';
import type { Embeddings } from '../../lib/retrieval';
import type { RequestLog } from '../../lib/serve';
import { clientOf, smallModel, smallTokenizer, startSmall } from './small-server';

const JSON_TYPE = { 'content-type': 'application/json' };
const LONG = { model: 'small', prompt: 'The sled', temperature: 0, max_tokens: 150, logit_bias: {} };

interface ErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: unknown;
    readonly code: unknown;
  };
}

/** Sends what fetch would not, such as another host. */
function raw(url: string, path: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = http.request(`${url}${path}`, { headers, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    request.on('error', reject).end();
  });
}

async function health(url: string): Promise<{ running: number; waiting: number }> {
  return (await (await fetch(`${url}/health`)).json()) as { running: number; waiting: number };
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 500; i++) {
    if (await condition()) return;
    await sleep(10);
  }
  assert.fail('it did not come to it in 5 s');
}

test('everything but health and the page requires a token', async (t) => {
  const token = 'correct-horse';
  const { server, client } = await startSmall(t, { token });
  assert.equal((await client.models.list()).data.length, 1);
  for (const wrong of ['correct-hors', 'correct-horse2', 'x'])
    await assert.rejects(clientOf(server, wrong).models.list(), (error) => {
      assert.ok(error instanceof OpenAI.AuthenticationError);
      assert.deepEqual(
        [error.status, error.code, error.type],
        [401, 'invalid_api_key', 'authentication_error'],
      );
      return true;
    });
  for (const [path, status] of [
    ['/v1/models', 401],
    ['/metrics', 401],
    ['/v1/../v1/models', 401],
    ['/feedback', 401],
    ['/health', 200],
    ['/', 200],
    ['/page.js', 200],
  ] as const)
    assert.equal((await fetch(server.url + path)).status, status, path);
});

test('refuses foreign Host names and origins, as DNS rebinding and foreign pages send them', async (t) => {
  const { server } = await startSmall(t, {
    allowedHosts: ['Proxy.example'],
    corsOrigins: ['https://app.example'],
  });
  const port = new URL(server.url).port;
  for (const [host, status] of [
    [`localhost:${port}`, 200],
    [`127.0.0.1:${port}`, 200],
    [`[::1]:${port}`, 200],
    ['proxy.example', 200],
    [`evil.example:${port}`, 403],
    ['localhost.evil.example', 403],
    ['127.0.0.1.evil.example', 403],
  ] as const)
    assert.equal(await raw(server.url, '/v1/models', { host }), status, host);
  const host = `localhost:${port}`;
  for (const [origin, status] of [
    [`http://${host}`, 200],
    ['https://app.example', 200],
    ['https://evil.example', 403],
    ['null', 403],
  ] as const)
    assert.equal(await raw(server.url, '/v1/models', { host, origin }), status, origin);
  const asked = await fetch(`${server.url}/v1/completions`, {
    method: 'OPTIONS',
    headers: { origin: 'https://app.example', 'access-control-request-method': 'POST' },
  });
  assert.equal(asked.headers.get('access-control-allow-origin'), 'https://app.example');
  const others = await fetch(`${server.url}/v1/models`);
  assert.equal(others.headers.get('access-control-allow-origin'), null);
});

test('unsupported requests are named, in OpenAI’s error format', async (t) => {
  const { server } = await startSmall(t, { maxBodyBytes: 5000, embeddings: undefined });
  const post = async (
    path: string,
    body: string,
    headers: Record<string, string> = JSON_TYPE,
  ): Promise<[number, ErrorBody]> => {
    const response = await fetch(server.url + path, { method: 'POST', headers, body });
    return [response.status, (await response.json()) as ErrorBody];
  };
  const chat = { model: 'small', messages: [{ role: 'user', content: 'x' }] };
  const text = { model: 'small', prompt: 'x' };
  const cases: [path: string, body: unknown, status: number, param: string | null, message: RegExp][] = [
    [
      'chat/completions',
      { ...chat, model: 'other' },
      404,
      'model',
      /expected a model of this server \(small\), got "other"/,
    ],
    [
      'chat/completions',
      { ...chat, model: '../../etc/passwd' },
      404,
      'model',
      /expected a model of this server/,
    ],
    ['chat/completions', [], 400, null, /expected a JSON object/],
    ['chat/completions', { model: 'small' }, 400, 'messages', /messages: /],
    ['chat/completions', { ...chat, messages: [] }, 400, 'messages', /messages: /],
    [
      'chat/completions',
      { ...chat, messages: [{ role: 'assistant', content: 'x' }] },
      400,
      'messages',
      /A conversation begins with/,
    ],
    [
      'chat/completions',
      { ...chat, messages: [{ role: 'user', content: [{ type: 'image_url' }] }] },
      400,
      'messages',
      /expected text, got image_url/,
    ],
    [
      'chat/completions',
      { ...chat, temprature: 0 },
      400,
      'temprature',
      /unknown parameter "temprature"\. Did you mean temperature\?/,
    ],
    ['chat/completions', { ...chat, temperature: 3 }, 400, 'temperature', /temperature: /],
    ['chat/completions', { ...chat, top_logprobs: 2 }, 400, 'top_logprobs', /expected logprobs to be true/],
    [
      'chat/completions',
      { ...chat, tools: [{ type: 'function' }] },
      400,
      'tools',
      /not supported and would change the answer/,
    ],
    ['chat/completions', { ...chat, presence_penalty: 0.5 }, 400, 'presence_penalty', /not supported/],
    ['chat/completions', { ...chat, logit_bias: { 5: 3 } }, 400, 'logit_bias', /not supported/],
    [
      'chat/completions',
      { ...chat, response_format: { type: 'json_schema' } },
      400,
      'response_format',
      /does not hold answers to a format/,
    ],
    ['completions', { ...text, prompt: '' }, 400, 'prompt', /expected at least one token/],
    ['completions', { ...text, prompt: [1, 305] }, 400, 'prompt', /expected token ids below 305, got 305/],
    [
      'completions',
      { ...text, prompt: 'word '.repeat(60) },
      400,
      null,
      /the prompt has \d+ tokens; this model's context of 160/,
    ],
    ['completions', { ...text, echo: true }, 400, 'echo', /not supported/],
    ['completions', { ...text, n: 100 }, 429, null, /All places are taken/],
    ['completions', { ...text, prompt: 'x'.repeat(6000) }, 413, null, /at most 5000 bytes/],
    ['embeddings', { model: 'e', input: 'x' }, 404, null, /no embedding model/],
    ['files', {}, 404, null, /there is no POST \/v1\/files here/],
  ];
  for (const [path, body, status, param, message] of cases) {
    const [got, { error }] = await post(`/v1/${path}`, JSON.stringify(body));
    assert.match(error.message, message);
    assert.deepEqual([got, error.param], [status, param], error.message);
    assert.ok('type' in error && 'code' in error);
  }
  const [broken] = await post('/v1/completions', '{"model": ');
  assert.equal(broken, 400);
  const [plain, { error }] = await post('/v1/completions', JSON.stringify(text), {
    'content-type': 'text/plain',
  });
  assert.deepEqual([plain, error.message], [415, 'expected a body of content-type application/json.']);
  // Chunks without a length.
  const stream = new ReadableStream({
    start(controller) {
      for (let i = 0; i < 10; i++) controller.enqueue(Buffer.alloc(1000, 'x'));
      controller.close();
    },
  });
  const response = await fetch(`${server.url}/v1/completions`, {
    ...{ method: 'POST', headers: JSON_TYPE, body: stream, duplex: 'half' as const },
  });
  assert.equal(response.status, 413);
  // What changes no answer, and values that change none, pass.
  const harmless = {
    ...{
      user: 'me',
      metadata: {},
      store: false,
      tools: [],
      tool_choice: 'none',
      frequency_penalty: 0,
      logit_bias: {},
    },
    ...{
      response_format: { type: 'text' },
      stop: null,
      seed: null,
      modalities: ['text'],
      service_tier: 'auto',
    },
  };
  const [fine] = await post('/v1/chat/completions', JSON.stringify({ ...chat, ...harmless, max_tokens: 2 }));
  assert.equal(fine, 200);
});

test('a full queue is 429 with Retry-After; a client that leaves frees its place', async (t) => {
  const logs: RequestLog[] = [];
  const { server, client } = await startSmall(t, {
    maxBatch: 1,
    maxQueue: 1,
    onRequest: (log) => logs.push(log),
  });
  const leaving = new AbortController();
  const stream = await client.completions.create({ ...LONG, stream: true }, { signal: leaving.signal });
  const reader = stream[Symbol.asyncIterator]();
  await reader.next();
  const waits = client.completions.create({ ...LONG, max_tokens: 4 });
  await until(async () => (await health(server.url)).waiting === 1);
  const refused = await fetch(`${server.url}/v1/completions`, {
    ...{ method: 'POST', headers: JSON_TYPE, body: JSON.stringify(LONG) },
  });
  assert.deepEqual([refused.status, refused.headers.get('retry-after')], [429, '1']);
  leaving.abort();
  assert.equal((await waits).choices[0].finish_reason, 'length');
  await until(async () => (await health(server.url)).running === 0);
  const left = logs.find(({ status }) => status === 499);
  assert.equal(left?.path, '/v1/completions');
  assert.equal(
    logs.some((log) => 'prompts' in log || 'answers' in log),
    false,
    'no text is logged',
  );
});

test('embeddings have a queue of their own, with the same limit; who has left is passed over', async () => {
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  const asked: string[] = [];
  const model = {
    embedDocuments: async (texts: string[]) => {
      asked.push(...texts);
      await held;
      return texts.map(() => [1, 2]);
    },
    embedQuery: () => Promise.resolve([1, 2]),
  };
  const queue = new EmbeddingQueue(model as Embeddings, 'small', 2);
  const leaving = new AbortController();
  const ask = (input: string, { signal } = new AbortController()): Promise<object> =>
    queue.answer({ model: 'small', input, encoding_format: 'float' }, signal);
  const answers = [ask('runs'), ask('waits'), ask('leaves', leaving)];
  await assert.rejects(ask('one too many'), { status: 429, code: 'queue_full' });
  leaving.abort();
  release();
  const ended = await Promise.allSettled(answers);
  assert.deepEqual(
    ended.map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'rejected'],
  );
  assert.deepEqual(asked, ['runs', 'waits']);
  assert.ok(await ask('later'), 'places are free again');
});

test('a request that takes too long ends with 504, a stream with an error', async (t) => {
  const { client, server } = await startSmall(t, { timeoutMs: 40, maxBatch: 1 });
  const long = { ...LONG, n: 30 };
  await assert.rejects(client.completions.create(long), (error) => {
    assert.ok(error instanceof OpenAI.APIError);
    assert.deepEqual([error.status, error.code], [504, 'timeout']);
    return true;
  });
  const stream = await client.completions.create({ ...long, stream: true });
  await assert.rejects(async () => {
    for await (const chunk of stream) void chunk;
  }, /longer than the 0\.04 s that this server allows/);
  await until(async () => (await health(server.url)).running === 0);
});

test('texts are logged on request only', async (t) => {
  const logs: RequestLog[] = [];
  const { client } = await startSmall(t, { logPrompts: true, onRequest: (log) => logs.push(log) });
  const answer = await client.completions.create({ ...LONG, max_tokens: 5 });
  await until(() => Promise.resolve(logs.length > 0));
  assert.deepEqual([logs[0].prompts, logs[0].answers], [['The sled'], [answer.choices[0].text]]);
  assert.deepEqual([logs[0].newTokens, logs[0].model], [5, 'small']);
});

test('closing lets running requests finish, takes no new ones, and cuts off what takes too long', async (t) => {
  const { model, tokenizer, server, client } = await startSmall(t, { maxBatch: 2 });
  const body = { ...LONG, max_tokens: 60 };
  const wanted = (await client.completions.create(body)).choices[0].text;
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const stream = await client.completions.create({ ...body, stream: true });
  const closing = server.close();
  await assert.rejects(fetch(`${server.url}/v1/models`));
  let text = '';
  for await (const { choices } of stream) text += choices[0].text;
  assert.equal(text, wanted);
  await closing;
  agent.destroy();
  const second = await serve(model, { tokenizer, name: 'small', port: 0 });
  const other = clientOf(second);
  const cut = await other.completions.create({ ...LONG, n: 20, stream: true });
  const read = assert.rejects(async () => {
    for await (const chunk of cut) void chunk;
  }, /the server ended before the answer was whole/);
  await sleep(20);
  await second.close({ graceMs: 0 });
  await read;
});

test('refuses impossible options before anything listens', async (t) => {
  const tokenizer = await smallTokenizer(t);
  const model = await smallModel();
  t.after(() => model.dispose());
  const refused = async (options: object, message: RegExp): Promise<void> => {
    await assert.rejects(serve(model, { tokenizer, port: 0, ...options }), {
      name: 'TunebookError',
      message,
    });
  };
  await refused({ host: '0.0.0.0' }, /expected a token beside host 0\.0\.0\.0, which other machines reach/);
  await refused({ token: 'two words' }, /a token of printable ASCII characters without spaces\.$/);
  await refused({ tokn: 'x' }, /Did you mean token\?/);
  await refused({ tokenizer: undefined }, /expected a tokenizer/);
  await refused({ port: 70_000 }, /expected port to be a whole number from 0 to 65535, got 70000/);
  await refused({ maxBatch: 0 }, /expected maxBatch to be a whole number from 1/);
  await refused({ adapterTokenizers: { a: tokenizer } }, /of adapters on the model \(none\), got 'a'/);
  await refused({ state: '/nowhere/state.json' }, /\/nowhere\/state\.json/);
  await refused({ host: '192.0.2.1', token: 'x' }, /192\.0\.2\.1 is no address of this machine/);
  const running = await serve(model, { tokenizer, port: 0 });
  t.after(() => running.close());
  const port = Number(new URL(running.url).port);
  await refused({}, /expected a model that no open batch or server uses, got one in use/);
  const other = await smallModel();
  t.after(() => other.dispose());
  const inUse = new RegExp(`port ${port} of 127\\.0\\.0\\.1 is in use`);
  // Twice: what was refused has left the model as it was.
  for (let i = 0; i < 2; i++) await assert.rejects(serve(other, { tokenizer, port }), inUse);
});
