/** An export that is killed half way (`kill -9`): no half file has its final name, and the next export is whole. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { LoraConfig } from '../../lib/models';
import { AutoModelForCausalLM, getPeftModel, saveAdapter } from '../../lib/pretrained';
import { temporaryFolder } from '../support/temporary-folder';
import { EXPORTS } from './killed-export';

const filesIn = async (folder: string): Promise<string[]> => {
  const found = await fs.readdir(folder, { recursive: true, withFileTypes: true });
  return found.filter((one) => one.isFile()).map((one) => path.join(one.parentPath, one.name));
};

/** Where each writes what is large, and the bytes after which it is killed: an adapter has few. */
const KILLED: readonly [name: string, file: string, bytes: number][] = [
  ['gguf', 'x.gguf', 3e6],
  ['gguf-lora', 'x.gguf', 2e3],
  ['onnx', 'onnx/model_quantized.onnx', 3e6],
  ['web', 'model/onnx/model_quantized.onnx', 3e6],
];

for (const [name, file, bytes] of KILLED)
  test(`${name}: what was there stays whole, and the next export is`, async (t) => {
    const folder = await temporaryFolder(t);
    const [out, adapter] = ['out', 'adapter'].map((one) => path.join(folder, one));
    if (name === 'gguf-lora') {
      const model = await AutoModelForCausalLM.fromPretrained('gpt2-mini');
      await saveAdapter(getPeftModel(model, new LoraConfig({ r: 2 })), adapter, 'gpt2-mini');
      await model.dispose();
    }
    const whole = path.join(out, file);
    await fs.mkdir(path.dirname(whole), { recursive: true });
    await fs.writeFile(whole, 'GGUF before');
    const child = path.join(__dirname, 'killed-export.js');
    const { signal, stderr } = spawnSync(process.execPath, [child, name, out, adapter, String(bytes)]);
    assert.equal(signal, 'SIGKILL', String(stderr));
    assert.equal(await fs.readFile(whole, 'utf8'), 'GGUF before');
    const others = (await filesIn(out)).filter((one) => one !== whole);
    assert.equal(others.length, 1);
    const [half] = others;
    assert.match(path.basename(half), /^\..*\.tmp$/);
    const { size } = await fs.stat(half);
    assert.ok(size > 0);
    await EXPORTS[name](out, adapter);
    assert.ok((await fs.stat(whole)).size > size);
  });
