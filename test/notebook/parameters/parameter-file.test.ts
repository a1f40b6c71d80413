/** A run's settings in a file: nested values as the parameters' types have them, the command line before it, faults named. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, describe, it } from 'node:test';
import { collectParameters } from '../../../lib/notebook/parameters';
import { Workplace } from '../../support/make-notebook';

const place = new Workplace();
after(() => place.remove());

const SOURCE = `@parameters
const model: string = 'mistral-mini';
const targetModules: string | string[] = 'all-linear';
const lora: { r: number; dropout?: number; modules: string[] } = { r: 8, modules: [] };
const rates: Record<string, number> = {};
const maxRecords: number | null = 1600;
const maxSteps: number = 100;`;

const YAML = `
model: Qwen/Qwen3-0.6B   # from the hub
targetModules: [q_proj, v_proj]
lora:
  r: 16
  dropout: 0.05
  modules:
    - q_proj
rates: { sft: 2e-4, dpo: 5e-6 }
maxRecords: null
maxSteps: 10
`;

const VALUES = {
  ...{ model: 'Qwen/Qwen3-0.6B', targetModules: ['q_proj', 'v_proj'], maxRecords: null, maxSteps: 10 },
  ...{ lora: { r: 16, dropout: 0.05, modules: ['q_proj'] }, rates: { sft: 2e-4, dpo: 5e-6 } },
};

describe('a file of parameters', () => {
  const notebook = place.write('run.ipynb', [SOURCE, 'model']);
  const write = (name: string, text: string): string => {
    fs.writeFileSync(place.file(name), text);
    return place.file(name);
  };

  it('sets all of them, nested ones too, in YAML or JSON; the command line wins', () => {
    const yaml = write('run.yaml', YAML);
    assert.deepEqual(collectParameters(notebook, { file: yaml }), VALUES);
    const json = write('run.json', JSON.stringify(VALUES));
    assert.deepEqual(collectParameters(notebook, { file: json }), VALUES);
    const texts = { maxSteps: '3', lora: '{"r": 4, "modules": []}' };
    const given = collectParameters(notebook, { file: yaml, texts });
    assert.deepEqual(given, { ...VALUES, maxSteps: 3, lora: { r: 4, modules: [] } });
  });

  it('names unknown parameters, with what was meant, and values of the wrong type', () => {
    for (const [text, message] of [
      ['max_steps: 3', /there is no parameter "max_steps" \(Did you mean maxSteps\?\)/],
      ['targetModule: []', /there is no parameter "targetModule" \(Did you mean targetModules\?\)/],
      ['zebra: 1', /there is no parameter "zebra"\./],
      ['lora: { r: many, modules: [] }', /lora: expected .*, got .*many/],
      ['maxSteps: ten', /maxSteps: expected number, got ten/],
      ['model: [a', /run\.yaml:1: expected YAML/],
    ] as const)
      assert.throws(() => collectParameters(notebook, { file: write('run.yaml', text) }), {
        name: 'TunebookError',
        message,
      });
  });
});
