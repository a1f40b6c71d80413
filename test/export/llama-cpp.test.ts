/**
 * Exports in llama.cpp itself, where node-llama-cpp is (TUNEBOOK_LLAMA_CPP, see .ci/run): tokens, answers and
 * probabilities as tunebook has them. Without it these are skipped.
 */
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promises as fs } from 'node:fs';
import os from 'node:os';
import { exportGguf, exportGgufAdapter } from '../../lib/export';
import { findLlamaCpp, openLlamaCpp } from '../../lib/export/proof/llama-cpp';
import { prove } from '../../lib/export/proof/prove';
import { openModelSource } from '../../lib/export/source/open-source';
import { LoraConfig } from '../../lib/models';
import { AutoModelForCausalLM, getPeftModel, saveAdapter } from '../../lib/pretrained';
import { createRandom } from '../../lib/random';
import { AutoTokenizer, promptIds } from '../../lib/tokenizer';
import { LONG } from '../support/long';

const TIMEOUT = { timeout: 300_000 };
let folder = '';
let isHere = false;
before(async () => {
  folder = await fs.mkdtemp(path.join(os.tmpdir(), 'tunebook-llama-'));
  isHere = (await findLlamaCpp()) !== undefined;
});
after(() => fs.rm(folder, { recursive: true, force: true }));

/** Words, figures, other scripts, spaces and marks, as records and people have them. */
function strings(count: number): string[] {
  const random = createRandom(15);
  const parts = [
    ...[
      'The',
      ' athlete',
      ' 1:02:33',
      '\n',
      '  ',
      'é',
      'ß',
      '東京',
      '🏃',
      "'s",
      "don't",
      ' -',
      '###',
      '\t',
      '0.5 %',
    ],
    ...[
      'Wall Balls',
      '; ',
      ' (',
      ')',
      'ÀÉ',
      ' naïve',
      'x_y',
      '</s>',
      'a\u0301',
      '\u00a0',
      'http://a.b/c?d=1',
      ' I',
    ],
  ];
  return Array.from({ length: count }, () =>
    Array.from({ length: 1 + random.nextInt(12) }, () => parts[random.nextInt(parts.length)])
      .join('')
      .replaceAll('</s>', ''),
  ).filter((text) => text !== '');
}

describe('llama.cpp', TIMEOUT, () => {
  for (const model of ['gpt2-mini', 'mistral-mini']) {
    it(`${model} in f16 answers as here, and reads 2,000 strings as the same tokens`, async (t) => {
      if (!isHere) return t.skip('node-llama-cpp is not installed: see .ci/run');
      const file = path.join(folder, `${model}.gguf`);
      const check = { maxNewTokens: 12, prompts: ['The race was', 'total_time: 3196, predicted:'] };
      const { agreement, isProven } = await exportGguf(model, file, { type: 'f16', check });
      assert.ok(isProven);
      assert.equal(agreement?.sameAnswers, 2);
      assert.ok(agreement.meanKl < 1e-3, `${agreement.meanKl}`);
      const there = await openLlamaCpp(file, { contextSize: 64, vocabSize: 50257 });
      assert.ok(there);
      const tokenizer = await AutoTokenizer.fromPretrained(model);
      const wrong: string[] = [];
      for (const text of strings(2000)) {
        const [a, b] = [promptIds(tokenizer, text), await there.promptIds(text)];
        if (a.join() !== b.join()) wrong.push(JSON.stringify(text));
      }
      await there.close();
      assert.deepEqual(wrong.slice(0, 5), []);
    });

    it(
      `${model}: an adapter alone answers as here, and without it otherwise`,
      model === 'gpt2-mini' ? {} : LONG,
      async (t) => {
        if (!isHere) return t.skip('node-llama-cpp is not installed: see .ci/run');
        const adapter = path.join(folder, `${model}-adapter`);
        const tuned = await AutoModelForCausalLM.fromPretrained(model);
        getPeftModel(tuned, new LoraConfig({ r: 4, loraAlpha: 16, useRslora: true }));
        for (const { name, data } of tuned.trainableParameters())
          if (name.endsWith('lora_B')) data.forEach((_, i) => (data[i] = 0.2 * Math.sin(i)));
        await saveAdapter(tuned, adapter, model);
        await tuned.dispose();
        const check = { maxNewTokens: 8, prompts: ['The race was'] };
        const file = path.join(folder, `${model}-lora.gguf`);
        const { agreement, isProven } = await exportGgufAdapter(adapter, file, { check });
        assert.ok(isProven, JSON.stringify(agreement));
        const plain = await exportGguf(model, path.join(folder, 'plain.gguf'), { check: false });
        assert.equal(plain.agreement, undefined);
        const [here, there] = await Promise.all([
          openLlamaCpp(path.join(folder, 'plain.gguf'), { contextSize: 64, vocabSize: 50257 }),
          openLlamaCpp(path.join(folder, 'plain.gguf'), { contextSize: 64, vocabSize: 50257, lora: file }),
        ]);
        const ids = await here?.promptIds('The race was');
        assert.ok(ids && here && there);
        const [without, withIt] = [await here.logProbabilities(ids, 1), await there.logProbabilities(ids, 1)];
        await here.close();
        await there.close();
        const shift = Math.max(
          ...without[0].map((value, i) => (value > -8 ? Math.abs(value - withIt[0][i]) : 0)),
        );
        assert.ok(shift > 0.1, `${shift}`);
      },
    );
  }

  it('a file of other weights fails the comparison, and the command says so', async (t) => {
    if (!isHere) return t.skip('node-llama-cpp is not installed: see .ci/run');
    const model = await AutoModelForCausalLM.fromPretrained('gpt2-mini');
    const tokenizer = await AutoTokenizer.fromPretrained('gpt2');
    const file = path.join(folder, 'other.gguf');
    await exportGguf(model, file, { tokenizer, check: false });
    model.weights.parameter('ln_f.weight').data.fill(3);
    const source = await openModelSource(model, { tokenizer }, 'test');
    const proof = await prove({
      ...{ source, missing: '', contextLength: 64, bound: { meanKl: 1e-3, sameTop: 0.97 } },
      check: { maxNewTokens: 4, prompts: ['The race was'] },
      open: () => openLlamaCpp(file, { contextSize: 64, vocabSize: 50257 }),
    });
    await model.dispose();
    assert.equal(proof.isProven, false);
    assert.match(proof.words.join(' '), /answers otherwise than the model/);
  });
});
