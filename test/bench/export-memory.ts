/**
 * Peak memory of exports over the size of the checkpoint: layers of Mistral-7B's shape at half its width with random
 * weights, so many and four times as many, each export in a process of its own. What an export holds is a layer or a part of a table, whatever
 * the number of layers. Or Mistral-7B itself in its full shape, which needs 24 GB of disk.
 */
import { spawn } from 'node:child_process';
import { promises as fs, readFileSync } from 'node:fs';
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
const GGUF_TYPES = ['q8_0', 'f16', 'q4_0', 'q4_k_m'] as const;
const EXPORTS = [
  ...GGUF_TYPES.map((type) => `gguf ${type}` as const),
  ...(['gguf q8_0, adapter on NF4', 'onnx q4'] as const),
];
type ExportName = (typeof EXPORTS)[number];

/** One export of one checkpoint. */
export interface ExportMemory {
  readonly name: ExportName;
  readonly layers: number;
  readonly checkpointBytes: number;
  readonly writtenBytes: number;
  readonly seconds: number;
  /** Resident, at most: what the system counts itself. */
  readonly peakBytes: number;
  /** Of it, what the process has allocated, and what it has mapped of files; by looking twenty times a second. */
  readonly anonymousBytes: number;
  readonly mappedBytes: number;
}

/** ONNX's weights of the smaller checkpoints are cut into files of this size, as they are at 2 GB. */
const MAX_FILE_BYTES = 1e8;
const LOOK_MS = 50;
/** The larger checkpoint, in layers of the smaller. */
const TIMES = 4;
/** Bytes of a layer, and of the two tables, in 16 bits; an export takes as much again, at most. */
const LAYER_BYTES = 436e6;
const TABLE_BYTES = 524e6;

/** What is exported. */
export interface ExportMemoryOptions {
  /** Layers of the smaller checkpoint; default 2. */
  readonly layers?: number;
  /** Mistral-7B in its full shape in place of the two smaller ones. */
  readonly isWhole?: boolean;
  /** Names of exports, or parts of names, with commas between them. */
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
    await requireFreeSpace(folder, 2.1 * largest);
    for (const count of counts) {
      const place = path.join(folder, 'model');
      const checkpointBytes = await writeMistralCheckpoint(place, { layers: count, narrower });
      const tokenizer = await AutoTokenizer.fromPretrained('mistral');
      await tokenizer.savePretrained(place);
      await writeAdapter(path.join(folder, 'adapter'), place, count);
      for (const name of EXPORTS.filter((one) => isWanted(one, only))) {
        const output = path.join(folder, 'export');
        const size = isWhole ? 'whole' : 'small';
        const one = {
          name,
          layers: count,
          checkpointBytes,
          ...(await inChild(name, [folder, output, size])),
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

/** A whole name is that export alone: 'gguf q8_0' begins the adapter's name too. */
function isWanted(name: ExportName, only: string): boolean {
  return only
    .split(',')
    .some((part) => ((EXPORTS as readonly string[]).includes(part) ? name === part : name.includes(part)));
}

type Measured = Pick<ExportMemory, 'writtenBytes' | 'seconds' | 'peakBytes'>;

/** An export in a process of its own, looked at from outside: its own thread is busy. */
async function inChild(
  name: ExportName,
  rest: readonly string[],
): Promise<Measured & Pick<ExportMemory, 'anonymousBytes' | 'mappedBytes'>> {
  // Without llama.cpp a file is read back, and no model loaded to be asked.
  const env = { ...process.env, TUNEBOOK_LLAMA_CPP: '' };
  const child = spawn(process.execPath, [__filename, name, ...rest], { env });
  let [stdout, stderr, anonymousBytes, mappedBytes] = ['', '', 0, 0];
  child.stdout.on('data', (text: Buffer) => (stdout += String(text)));
  child.stderr.on('data', (text: Buffer) => (stderr += String(text)));
  const look = setInterval(() => {
    anonymousBytes = Math.max(anonymousBytes, residentBytes(child.pid, 'RssAnon'));
    mappedBytes = Math.max(mappedBytes, residentBytes(child.pid, 'RssFile'));
  }, LOOK_MS);
  const code = await new Promise((resolve) => child.once('close', resolve));
  clearInterval(look);
  if (code !== 0) throw new Error(`bench export-memory: ${name} failed\n${stderr}`);
  return { ...(JSON.parse(stdout) as Measured), anonymousBytes, mappedBytes };
}

/** A line of /proc/PID/status; 0 where there is none. */
function residentBytes(pid: number | undefined, line: string): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return 1024 * Number(new RegExp(`^${line}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0);
  } catch {
    return 0; // it has just ended
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
async function measured(name: ExportName, folder: string, output: string, size: string): Promise<void> {
  const model = path.join(folder, 'model');
  const started = performance.now();
  if (name === 'onnx q4')
    await exportOnnx(model, output, {
      ...{ dtypes: ['q4'], check: false },
      maxFileBytes: size === 'whole' ? undefined : MAX_FILE_BYTES,
    });
  else
    await exportGguf(model, path.join(output, 'model.gguf'), {
      type: GGUF_TYPES.find((type) => name === `gguf ${type}`) ?? 'q8_0',
      ...(name === 'gguf q8_0, adapter on NF4'
        ? {
            adapter: path.join(folder, 'adapter'),
            quantizationConfig: quantizationConfigOf('nf4'),
          }
        : {}),
    });
  const seconds = (performance.now() - started) / 1000;
  const peakBytes = peakMemoryBytes();
  let writtenBytes = 0;
  for (const file of await fs.readdir(output, { recursive: true }))
    writtenBytes += (await fs.stat(path.join(output, file))).size;
  console.log(JSON.stringify({ writtenBytes, seconds, peakBytes }));
}

if (require.main === module && process.argv[5] !== undefined)
  void measured(process.argv[2] as ExportName, process.argv[3], process.argv[4], process.argv[5]);
