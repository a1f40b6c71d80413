/**
 * GPT-2 on one engine against Hugging Face transformers and peft on PyTorch: logits, loss, every gradient,
 * LoRA. Called by `gpt2.test.ts`, and run as a program (`node gpt2-suite.js '{"provider":"webgpu"}'`) for
 * engines that need a process of their own.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createEngine } from '../../../lib/engine';
import type { EngineOptions } from '../../../lib/engine';
import { allocateGradients, countLabels, forwardBackward } from '../../../lib/models';
import { AutoModelForCausalLM, loadAdapter } from '../../../lib/pretrained';
import { openSafetensors } from '../../../lib/checkpoint';
import type { CausalLM } from '../../../lib/pretrained';
import type { Gradients } from '../../../lib/models';
import type { SafetensorsFile } from '../../../lib/checkpoint';
import { assertClose } from '../../support/assert-close';
import { assertGradients, goldenBatch } from './golden-run';
import type { GoldenRun } from './golden-run';
import { ROOT } from '../../support/paths';

export const GOLDEN = path.join(ROOT, 'test', 'golden', 'gpt2');
export const golden = JSON.parse(readFileSync(path.join(GOLDEN, 'golden.json'), 'utf8')) as GoldenRun & {
  loss: number;
  numParameters: number;
  lora: { loss: number; numTrainable: number };
};
export const batch = goldenBatch(golden);

/** One thread by default: the model is small, and test files run beside each other. */
export function loadGolden(engine: EngineOptions = { threads: 1 }): Promise<CausalLM> {
  return AutoModelForCausalLM.fromPretrained(path.join(GOLDEN, 'model'), { engine });
}

/** The mean loss over the batch's labels and its gradients, which are full of NaN before. */
export async function lossAndGradients(
  model: CausalLM,
  options: { gradientCheckpointing?: boolean; dropout?: { seed: number; step: number } } = {},
): Promise<{ loss: number; gradients: Gradients }> {
  const gradients = allocateGradients(model.trainableParameters());
  gradients.flat.fill(NaN);
  const loss = await forwardBackward(model, gradients, {
    batch,
    lossScale: 1 / countLabels(batch),
    accumulate: false,
    gradientCheckpointing: options.gradientCheckpointing ?? false,
    dropout: options.dropout,
  });
  return { loss, gradients };
}

/** Declares the tests of one engine. */
export function gpt2Suite(options: EngineOptions, name: string): void {
  describe(`gpt2 against transformers on ${name}`, () => {
    let values: SafetensorsFile;
    let model: CausalLM;
    before(async () => {
      values = await openSafetensors(path.join(GOLDEN, 'golden.safetensors'));
      model = await loadGolden(options);
    });
    after(async () => {
      await values.close();
      await model.dispose();
    });

    it('runs on that engine', async () => {
      assert.equal(model.engine.name, name);
      assert.equal((await createEngine(options)).name, name);
    });

    it('gives the logits and the loss', async () => {
      const { logits, loss } = await model.forward(golden);
      assert.deepEqual(logits.shape, [3, 17, 97]);
      assertClose(logits.data, await values.read('logits'), { absolute: 1e-4, relative: 0 }, 'logits');
      assertClose([loss ?? NaN], [golden.loss], { absolute: 1e-5, relative: 0 }, 'loss');
    });

    for (const gradientCheckpointing of [false, true]) {
      it(`gives every gradient, gradient checkpointing ${gradientCheckpointing}`, async () => {
        const { loss, gradients } = await lossAndGradients(model, { gradientCheckpointing });
        assertClose([loss], [golden.loss], { absolute: 1e-5, relative: 0 }, 'loss');
        assert.equal(gradients.byName.size, 40);
        await assertGradients(gradients, values, (own) => `grad.transformer.${own}`);
        // The golden gradient of positions ends with the batch; nothing after it has one.
        assert.ok(
          gradients.byName
            .get('wpe.weight')
            ?.subarray(17 * 32)
            .every((value) => value === 0),
        );
      });
    }

    it('gives the logits, the loss and the gradients of a LoRA adapter', async () => {
      const adapted = await loadAdapter(await loadGolden(options), path.join(GOLDEN, 'adapter'));
      try {
        assert.equal(adapted.numParameters({ onlyTrainable: true }), golden.lora.numTrainable);
        const { logits, loss } = await adapted.forward(golden);
        const wanted = await values.read('lora.logits');
        assertClose(logits.data, wanted, { absolute: 1e-4, relative: 0 }, 'logits');
        assertClose([loss ?? NaN], [golden.lora.loss], { absolute: 1e-5, relative: 0 }, 'loss');
        const { gradients } = await lossAndGradients(adapted);
        assert.equal(gradients.byName.size, 6);
        const peftName = (own: string): string => `lora.grad.base_model.model.transformer.${own}.weight`;
        await assertGradients(gradients, values, peftName);
      } finally {
        await adapted.dispose();
      }
    });
  });
}

if (require.main === module) {
  const [options, name] = process.argv.slice(2);
  gpt2Suite(JSON.parse(options) as EngineOptions, name);
}
