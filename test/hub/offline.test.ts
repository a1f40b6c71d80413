/** HF_HUB_OFFLINE and TRANSFORMERS_OFFLINE keep models and tokenizers off the network, in every spelling. */
import assert from 'node:assert/strict';
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { AutoModelForCausalLM, AutoTokenizer } from '../../lib';
import { isolateHubEnvironment, startFakeHub } from './hub-server';
import type { FakeHub } from './hub-server';
import { temporaryFolder } from '../support/temporary-folder';
import { ROOT } from '../support/paths';

const MODEL = path.join(ROOT, 'test', 'golden', 'gpt2', 'model');
const GPT2 = path.join(ROOT, 'data', 'tokenizers', 'gpt2');

async function setUp(t: TestContext): Promise<FakeHub> {
  const hub = await startFakeHub(t);
  isolateHubEnvironment(t, { HF_HOME: await temporaryFolder(t), HF_ENDPOINT: hub.endpoint });
  for (const file of [
    ...['config.json', 'model.safetensors'].map((name) => path.join(MODEL, name)),
    ...['tokenizer.json', 'tokenizer_config.json'].map((name) => path.join(GPT2, name)),
  ]) {
    hub.files.set(path.basename(file), await fs.readFile(file));
  }
  return hub;
}

const SPELLINGS = ['1', 'on', 'ON', 'yes', 'Yes', 'true', 'True', 'TRUE'];
for (const variable of ['HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE']) {
  for (const spelling of SPELLINGS) {
    test(`${variable}=${spelling}: nothing is asked for, and the error says so`, async (t) => {
      const hub = await setUp(t);
      process.env[variable] = spelling;
      const expected = { name: 'TunebookError', message: /the network is not to be used.*HF_HUB_OFFLINE/ };
      await assert.rejects(AutoModelForCausalLM.fromPretrained('someone/small'), expected);
      await assert.rejects(AutoTokenizer.fromPretrained('someone/small'), expected);
      assert.deepEqual(hub.log, []);
    });
  }
}

test('offline, what was downloaded once is used', async (t) => {
  const hub = await setUp(t);
  process.env.HF_HUB_OFFLINE = '0';
  await (await AutoModelForCausalLM.fromPretrained('someone/small')).dispose();
  assert.ok(hub.log.length > 0);
  process.env.HF_HUB_OFFLINE = 'true';
  hub.log.length = 0;
  const model = await AutoModelForCausalLM.fromPretrained('someone/small');
  await model.dispose();
  const tokenizer = await AutoTokenizer.fromPretrained('someone/small');
  assert.equal(tokenizer.vocabSize, 50257);
  assert.deepEqual(hub.log, []);
});

test('localFilesOnly: false overrides the environment', async (t) => {
  const hub = await setUp(t);
  process.env.HF_HUB_OFFLINE = '1';
  await AutoTokenizer.fromPretrained('someone/small', { localFilesOnly: false });
  assert.ok(hub.log.length > 0);
});
