/**
 * Peak memory of exports over the size of the checkpoint: layers of Mistral-7B's shape at half its width with random
 * weights, so many and four times as many, each export in a process of its own. What an export holds is a layer or a part of a table, whatever
 * the number of layers. Or Mistral-7B itself in its full shape, which needs 24 GB of disk.
 */
import { spawnSync } from 'node:child_process';
import { promises as fs } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { writeCheckpoint } from '../../lib/checkpoint';
import type { TensorSource } from '../../lib/checkpoint';
import { exportGguf, exportOnnx } from '../../lib/export';
import { requireFreeSpace } from '../../lib/files';
import { architectureOf, peakMemoryBytes } from '../../lib/models';
import { createRandom } from '../../lib/random';
import { quantizationConfigOf } from '../../lib/quantization';
import { AutoTokenizer } from '../../lib/tokenizer';
import { writeMistralCheckpoint } from './mistral-checkpoint';

/** What is written. */
const EXPORTS = ['gguf q8_0', 'gguf q4_0', 'gguf q8_0, adapter on NF4', 'onnx q4'] as const;
type ExportName = (typeof EXPORTS)[number];

/** One export of one checkpoint. */
export interface ExportMemory {
  readonly name: ExportName;
  readonly layers: number;
  readonly checkpointBytes: number;
  readonly writtenBytes: number;
  readonly seconds: number;
  readonly peakBytes: number;
}

/** ONNX's weights are cut into files of this size, as they are at 2 GB. */
const MAX_FILE_BYTES = 1e8;
/** The larger checkpoint, in layers of the smaller. */
const TIMES = 4;
/** Bytes of a layer, and of the two tables, in 16 bits; an export in 8 bits takes half of it once more. */
const LAYER_BYTES = 436e6;
const TABLE_BYTES = 524e6;

/** What is exported. */
export interface ExportMemoryOptions {
  /** Layers of the smaller checkpoint; default 2. */
  readonly layers?: number;
  /** Mistral-7B in its full shape in place of the two smaller ones. */
  readonly isWhole?: boolean;
  /** A part of an export's name. */
  readonly only?: string;
}

export async function benchExportMemory(
  { layers = 2, isWhole = false, only = '' }: ExportMemoryOptions = {},
  onExport: (one: ExportMemory) => void = () => undefined,
): Promise<ExportMemory[]> {
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'tunebook-bench-'));
  const results: ExportMemory[] = [];
  const { narrower, counts } = isWhole
    ? { narrower: 1, counts: [32] }
    : { narrower: 2, counts: [layers, TIMES * layers] };
  try {
    const largest = TABLE_BYTES / narrower + (Math.max(...counts) * LAYER_BYTES) / narrower ** 2;
    await requireFreeSpace(folder, 1.6 * largest);
    for (const count of counts) {
      const place = path.join(folder, 'model');
      const checkpointBytes = await writeMistralCheckpoint(place, { layers: count, narrower });
      const tokenizer = await AutoTokenizer.fromPretrained('mistral');
      await tokenizer.savePretrained(place);
      await writeAdapter(path.join(folder, 'adapter'), place, count);
      for (const name of EXPORTS.filter((one) => one.includes(only))) {
        const output = path.join(folder, 'export');
        const child = spawnSync(process.execPath, [__filename, name, folder, output], { encoding: 'utf8' });
        if (child.status !== 0) throw new Error(`bench export-memory: ${name} failed\n${child.stderr}`);
        const one = {
          ...{ name, layers: count, checkpointBytes },
          ...(JSON.parse(child.stdout) as Pick<ExportMemory, 'writtenBytes' | 'seconds' | 'peakBytes'>),
        };
        await fs.rm(output, { recursive: true });
        results.push(one);
        onExport(one);
      }
      await fs.rm(place, { recursive: true });
    }
    return results;
  } finally {
    await fs.rm(folder, { recursive: true, force: true });
  }
}

const RANK = 8;

/** A LoRA adapter with random values, in PEFT's layout. */
async function writeAdapter(folder: string, base: string, layers: number): Promise<void> {
  const { modules, layerPrefix } = architectureOf(
    JSON.parse(await fs.readFile(path.join(base, 'config.json'), 'utf8')) as Record<string, unknown>,
  );
  const random = createRandom('adapter');
  const values = (count: number) => (): Float32Array =>
    Float32Array.from({ length: count }, () => 0.01 * random.nextNormal());
  const targets = modules.filter(({ name }) => /\.[qv]_proj$/.test(name));
  const sources = Array.from({ length: layers }, (_, layer) =>
    targets.flatMap(({ name, inSize, outSize }): TensorSource[] => {
      const prefix = `base_model.model.model.${layerPrefix(layer)}${name}`;
      return [
        {
          name: `${prefix}.lora_A.weight`,
          shape: [RANK, inSize],
          values: values(RANK * inSize),
        },
        {
          name: `${prefix}.lora_B.weight`,
          shape: [outSize, RANK],
          values: values(outSize * RANK),
        },
      ];
    }),
  ).flat();
  await writeCheckpoint(folder, sources, { dtype: 'F32', baseName: 'adapter_model' });
  const config = {
    ...{ peft_type: 'LORA', task_type: 'CAUSAL_LM', base_model_name_or_path: base },
    ...{ r: RANK, lora_alpha: RANK, target_modules: ['q_proj', 'v_proj'], bias: 'none' },
  };
  await fs.writeFile(path.join(folder, 'adapter_config.json'), JSON.stringify(config));
}

/** The measured job. */
async function measured(name: ExportName, folder: string, output: string): Promise<void> {
  const model = path.join(folder, 'model');
  const started = performance.now();
  if (name === 'onnx q4')
    await exportOnnx(model, output, { dtypes: ['q4'], maxFileBytes: MAX_FILE_BYTES, check: false });
  else
    await exportGguf(model, path.join(output, 'model.gguf'), {
      type: name === 'gguf q4_0' ? 'q4_0' : 'q8_0',
      ...(name === 'gguf q8_0, adapter on NF4'
        ? {
            adapter: path.join(folder, 'adapter'),
            quantizationConfig: quantizationConfigOf('nf4'),
          }
        : {}),
      check: false,
    });
  const seconds = (performance.now() - started) / 1000;
  const peakBytes = peakMemoryBytes();
  let writtenBytes = 0;
  for (const file of await fs.readdir(output, { recursive: true }))
    writtenBytes += (await fs.stat(path.join(output, file))).size;
  console.log(JSON.stringify({ writtenBytes, seconds, peakBytes }));
}

if (require.main === module && process.argv[4] !== undefined)
  void measured(process.argv[2] as ExportName, process.argv[3], process.argv[4]);
