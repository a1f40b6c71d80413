/**
 * The page of `exportWeb` on WebGPU, by Chromium's software driver: tunebook's own answers, and the processor's with a line
 * that says why where WebGPU is there and fails.
 */
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import fs from 'node:fs/promises';
import os from 'node:os';
import { exportWeb } from '../../lib/export';
import { textGenerator } from '../../lib/generation';
import { AutoModelForCausalLM, savePretrained } from '../../lib/pretrained';
import { instructionTemplate } from '../../lib/prompts';
import { AutoTokenizer } from '../../lib/tokenizer';
import { LONG } from '../support/long';
import { openInBrowser, webGpuMissing } from './page-in-browser';

process.env.TUNEBOOK_PROVIDER = 'cpu';

/** The software driver takes seconds for one. */
const MAX_NEW_TOKENS = 4;
const RECORD = { input: 'Was the sled slow?', context: 'total_time: 3196' };

let [folder, wanted]: [string, string] = ['', ''];
let missing: string | false = false;

before(async () => {
  missing = await webGpuMissing();
  if (missing !== false) return;
  folder = await fs.mkdtemp(path.join(os.tmpdir(), 'tunebook-test-'));
  const tokenizer = await AutoTokenizer.fromPretrained('gpt2-mini');
  const model = await AutoModelForCausalLM.fromPretrained('gpt2-mini');
  const template = instructionTemplate();
  const saved = path.join(folder, 'saved');
  await savePretrained(model, saved, { prompt: { tokenizer, template } });
  await exportWeb(saved, path.join(folder, 'site'), {
    ...{ dtypes: ['q8', 'fp32', 'q4', 'fp16'], check: false, maxNewTokens: MAX_NEW_TOKENS },
  });
  const ask = textGenerator({ model, tokenizer, maxNewTokens: MAX_NEW_TOKENS, doSample: false });
  [wanted] = await ask([template.formatPrompt(RECORD)]);
  await model.dispose();
});

after(() => (folder === '' ? undefined : fs.rm(folder, { recursive: true, force: true })));

/** Keeps the page's device, and loses it at the next question but one. */
const LOSES_DEVICE = `
  const { requestDevice } = GPUAdapter.prototype;
  GPUAdapter.prototype.requestDevice = async function (...wanted) {
    const device = await requestDevice.apply(this, wanted);
    let questions = 0;
    document.addEventListener('submit', () => ++questions === 2 && device.destroy(), true);
    return device;
  };`;

test('a page answers on WebGPU as tunebook does, and on the processor when the device is lost', async (t) => {
  if (missing !== false) return t.skip(missing);
  const site = path.join(folder, 'site');
  const page = await openInBrowser(site, { device: 'webgpu', script: LOSES_DEVICE });
  try {
    assert.match(page.status, /^Runs on this device \(GPU, q8\); nothing is sent anywhere\.$/);
    assert.equal(await page.ask(RECORD), wanted);
    assert.match(await page.statusNow(), /\(GPU, q8\)/);
    assert.deepEqual(page.problems, []);
    assert.equal(await page.ask(RECORD), wanted);
    const lost =
      /^Runs on this device \(processor, q8\);.* The GPU is not used: it failed \(.*mapping.*\)\.$/;
    assert.match(await page.statusNow(), lost);
  } finally {
    await page.close();
  }
});

/** What goes wrong, in a script before the page's, and what the page says of it. */
const FAULTS: readonly { what: string; dtype?: string; script?: string; says: RegExp }[] = [
  {
    what: 'no adapter',
    script: 'GPU.prototype.requestAdapter = async () => null;',
    says: /WebGPU finds none/,
  },
  {
    what: 'an adapter without a device',
    script: 'GPUAdapter.prototype.requestDevice = async () => { throw new Error("busy"); };',
    says: /ONNX Runtime cannot start on it/,
  },
  { what: '16 bits without shader-f16', dtype: 'fp16', says: /it has no 16-bit floats/ },
  {
    what: 'a driver that computes wrongly',
    script: `
      const { createShaderModule } = GPUDevice.prototype;
      GPUDevice.prototype.createShaderModule = function (module) {
        return createShaderModule.call(this, { ...module, code: module.code.replaceAll('exp(', 'sin(') });
      };`,
    says: /it computes otherwise than the processor/,
  },
];

for (const { what, dtype, script, says } of FAULTS)
  test(`the processor takes over from ${what}`, async (t) => {
    if (missing !== false) return t.skip(missing);
    const page = await openInBrowser(path.join(folder, 'site'), { device: 'webgpu', dtype, script });
    try {
      assert.match(page.status, /^Runs on this device \(processor, (q8|fp16)\)/);
      assert.match(page.status, says);
      assert.equal(await page.ask(RECORD), wanted);
    } finally {
      await page.close();
    }
  });

test('a page answers on WebGPU in float32 and in 4 bits', { ...LONG, timeout: 1_800_000 }, async (t) => {
  if (missing !== false) return t.skip(missing);
  for (const dtype of ['fp32', 'q4']) {
    const page = await openInBrowser(path.join(folder, 'site'), { device: 'webgpu', dtype });
    try {
      assert.match(page.status, new RegExp(`\\(GPU, ${dtype}\\)`)); // so its probe agreed
      const answer = await page.ask(RECORD);
      if (dtype === 'fp32') assert.equal(answer, wanted);
      else assert.notEqual(answer, '');
      assert.deepEqual(page.problems, []);
    } finally {
      await page.close();
    }
  }
});
