/**
 * What is saved of each family: names, shapes and fields of the folder that it came from, and an adapter's by PEFT's
 * names. TUNEBOOK_PYTHON names a Python with torch, transformers and peft, which then load all of it
 * (golden/families/load_saved.py): tensors and logits are equal bit for bit.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { openSafetensors, writeSafetensors } from '../../../lib/checkpoint';
import { storedName } from '../../../lib/models';
import { AutoModelForCausalLM, mergeAndUnload, saveAdapter, savePretrained } from '../../../lib/pretrained';
import type { CausalLM } from '../../../lib/pretrained';
import { temporaryFolder } from '../../support/temporary-folder';
import { familyModel, putAdapter } from './family-model';
import { GOLDEN, readGolden } from './golden-run';

interface Case {
  config: Record<string, unknown>;
  /** Of transformers' model. */
  shapes: Record<string, number[]>;
  lora: Record<string, unknown>;
}

const { cases } = readGolden('families/golden.json') as { cases: Record<string, Case> };

/** Names and shapes of a file's tensors. */
async function shapesOf(file: string): Promise<Record<string, number[]>> {
  const opened = await openSafetensors(file);
  const shapes = opened.names.map((name): [string, number[]] => [name, [...opened.info(name).shape]]);
  await opened.close();
  return Object.fromEntries(shapes.sort());
}

/** config.json's text, in which transformers wants softcaps and the like with a point. */
function configText(folder: string): Promise<string> {
  return fs.readFile(path.join(folder, 'config.json'), 'utf8');
}

async function readConfig(folder: string): Promise<Record<string, unknown>> {
  return JSON.parse(await configText(folder)) as Record<string, unknown>;
}

/** The model's folder as transformers would have it: the case's config.json, and tensors under their names. */
async function writeOriginal(model: CausalLM, { config }: Case, folder: string): Promise<void> {
  await fs.mkdir(folder, { recursive: true });
  await fs.writeFile(path.join(folder, 'config.json'), JSON.stringify(config));
  const tensors = [...model.weights.parameters.byName.values()].map(({ name, shape, data }) => ({
    name: storedName(model.architecture, name),
    dtype: 'F32' as const,
    shape,
    values: data,
  }));
  await writeSafetensors(path.join(folder, 'model.safetensors'), tensors);
}

describe('saved again: names, shapes and fields of the original', () => {
  for (const [name, given] of Object.entries(cases))
    it(name, async (t) => {
      const folder = await temporaryFolder(t);
      const at = (part: string): string => path.join(folder, part);
      const made = await familyModel(given.config);
      await writeOriginal(made, given, at('original'));
      await made.dispose();
      const engine = { provider: 'cpu', threads: 1 } as const;
      const model = await AutoModelForCausalLM.fromPretrained(at('original'), { engine });
      t.after(() => model.dispose());
      await savePretrained(model, at('base'));
      const wanted = Object.fromEntries(Object.entries(given.shapes).sort());
      assert.deepEqual(await shapesOf(path.join(at('base'), 'model.safetensors')), wanted);
      const saved = await readConfig(at('base'));
      for (const [key, value] of Object.entries(given.config)) assert.deepEqual(saved[key], value, key);
      const text = await configText(at('base'));
      assert.doesNotMatch(text, /"(final_logit|attn_logit)_softcapping": \d+,/);
      putAdapter(model);
      await saveAdapter(model, at('adapter'), at('base'));
      const tensors = await shapesOf(path.join(at('adapter'), 'adapter_model.safetensors'));
      assert.deepEqual(
        Object.keys(tensors),
        Object.keys(given.lora)
          .map((own) => `base_model.model.${own}.weight`)
          .sort(),
      );
      mergeAndUnload(model);
      await savePretrained(model, at('merged'));
      assert.deepEqual(await shapesOf(path.join(at('merged'), 'model.safetensors')), wanted);
      assert.deepEqual(await readConfig(at('merged')), saved);
    });
});

it('loaded by transformers and PEFT: difference 0', { timeout: 600_000 }, async (t) => {
  const python = process.env.TUNEBOOK_PYTHON;
  if (python === undefined)
    return t.skip('TUNEBOOK_PYTHON names no Python with torch, transformers and peft');
  const folder = await temporaryFolder(t);
  const names: Record<string, string> = {};
  for (const [name, { config }] of Object.entries(cases)) {
    names[name] = name.replace(/\W+/g, '-');
    const at = (part: string): string => path.join(folder, names[name], part);
    const model = await familyModel(config);
    await savePretrained(model, at('base'));
    putAdapter(model);
    await saveAdapter(model, at('adapter'), at('base'));
    mergeAndUnload(model);
    await savePretrained(model, at('merged'));
    await model.dispose();
  }
  await fs.writeFile(path.join(folder, 'names.json'), JSON.stringify(names));
  const script = path.join(GOLDEN, 'families', 'load_saved.py');
  const done = await promisify(execFile)(python, [script, folder], { maxBuffer: 1e8 }).catch(
    (error: unknown) => error as { stdout: string; stderr: string },
  );
  const lines = done.stdout.trim().split('\n');
  for (const line of lines) t.diagnostic(line);
  const wrong = lines.filter((line) => !/: base 0, adapter 0, merged \d/.test(line));
  assert.deepEqual(wrong, [], done.stderr.slice(-2000));
  assert.equal(lines.length, Object.keys(cases).length);
});
