/** Some hundred requests at once: none is lost, none gets another's answer. Thousands are in `npm run bench -- serve`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startSmall } from './small-server';
import { askMany } from './load';

test('three hundred requests, twenty at a time', async (t) => {
  const { client, server } = await startSmall(t, { adapters: ['one'], maxBatch: 8, maxQueue: 20 });
  const { wrong, lost, tokens } = await askMany(client, {
    requests: 300,
    clients: 20,
    models: ['small', 'one'],
  });
  assert.deepEqual({ wrong, lost }, { wrong: 0, lost: 0 });
  assert.ok(tokens > 300);
  const health = (await (await fetch(`${server.url}/health`)).json()) as { running: number; waiting: number };
  assert.deepEqual([health.running, health.waiting], [0, 0]);
});
