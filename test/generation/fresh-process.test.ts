/** Answers from a process of its own: those of what was saved, whatever this process holds. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, it } from 'node:test';
import { textGenerator } from '../../lib/generation';
import { LoraConfig } from '../../lib/models';
import {
  AutoModelForCausalLM,
  generateInFreshProcess,
  getPeftModel,
  saveAdapter,
} from '../../lib/pretrained';
import { AutoTokenizer } from '../../lib/tokenizer';
import { isError } from '../support/refusals';
import { temporaryFolder } from '../support/temporary-folder';

describe('generateInFreshProcess', () => {
  it('answers as the saved adapter does, not as the one in memory', async (t) => {
    const adapter = path.join(await temporaryFolder(t), 'adapter');
    const model = await AutoModelForCausalLM.fromPretrained('gpt2-mini');
    const tokenizer = await AutoTokenizer.fromPretrained('gpt2');
    const answer = textGenerator({ model, tokenizer, maxNewTokens: 12 });
    const prompts = ['The race was', 'total_time: 3196, predicted:'];
    getPeftModel(model, new LoraConfig({ r: 4, loraAlpha: 16, targetModules: ['c_attn'] }));
    const setWeights = (size: number): void => {
      for (const { name, data } of model.trainableParameters())
        if (name.endsWith('lora_B')) data.forEach((_, i) => (data[i] = size * Math.sin(i)));
    };
    setWeights(0.3);
    const wanted = await answer(prompts);
    await saveAdapter(model, adapter, 'gpt2-mini');
    setWeights(-0.3);
    assert.notDeepEqual(await answer(prompts), wanted);
    await model.dispose();

    const result = await generateInFreshProcess(prompts, { adapter, maxNewTokens: 12 });
    assert.deepEqual(result.answers, wanted);
    assert.ok(result.loadMs > 0 && result.generateMs > 0 && result.peakMemoryBytes > 50e6);
  });

  it('passes on the error of that process when it fails', async () => {
    await assert.rejects(
      generateInFreshProcess(['a'], { model: './no-such-folder' }),
      isError('generateInFreshProcess: expected answers, got status 1:', 'no-such-folder'),
    );
    await assert.rejects(
      generateInFreshProcess([], { model: 'gpt2-mini' }),
      isError('expected a prompt, got none'),
    );
  });
});
