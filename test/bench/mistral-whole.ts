/**
 * The whole of Mistral-7B's shape on a machine smaller than it: a random checkpoint on disk, loaded in 4 bits,
 * LoRA steps with everything in memory and with layers on disk, saved, loaded in a fresh process, asked for tokens.
 * Each phase is a process of its own, so that its peak memory is its own.
 */
import { execFileSync } from 'node:child_process';
import { promises as fs } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {
  allocateGradients,
  countParameters,
  forwardBackward,
  LoraConfig,
  peakMemoryBytes,
  trainableSummary,
  architectureOf,
} from '../../lib/models';
import { AutoModelForCausalLM, getPeftModel, saveAdapter, savePretrained } from '../../lib/pretrained';
import type { CausalLM, FromPretrainedOptions } from '../../lib/pretrained';
import type { DeviceMap } from '../../lib/models';
import { requireFreeSpace } from '../../lib/files';
import type { GeneratedAnswers } from '../../lib/pretrained';
import { BitsAndBytesConfig } from '../../lib/quantization';
import { AutoTokenizer } from '../../lib/tokenizer';
import type { Batch } from '../../lib/types';
import { productGflops } from './mistral';
import { writeMistralCheckpoint } from './mistral-checkpoint';
import { CLI } from '../support/paths';

export interface WholeBenchOptions {
  /** Decoder layers; default 32, the real number. 32 need 19 GB of disk, each one less 0.56 GB less. */
  layers?: number;
  /** Where checkpoints and the offload folder go; default: a new folder in the system's temporary one, deleted at the end. */
  folder?: string;
  /** Rows and tokens of the training batch; default 2 x 192. */
  rows?: number;
  tokens?: number;
  /** Training steps of each phase, of which the fastest counts; default 2. */
  steps?: number;
}

/** What one phase of training took. */
interface TrainingPhase {
  readonly loadSeconds: number;
  /** What the plan puts in memory and on disk. */
  readonly memoryBytes: number;
  readonly diskBytes: number;
  /** Memory of the process once the model is loaded. */
  readonly loadedBytes: number;
  readonly loadPeakBytes: number;
  /** The fastest step, the making of its functions not counted. */
  readonly stepSeconds: number;
  readonly peakBytes: number;
  readonly loss: number;
  /** Float32 product of the largest matrix at this number of tokens. */
  readonly peakGflops: number;
  readonly shareOfPeak: number;
}

export interface WholeBench {
  readonly layers: number;
  readonly tokens: number;
  readonly parameters: number;
  readonly trainable: string;
  readonly writeSeconds: number;
  readonly checkpointBytes: number;
  readonly inMemory: TrainingPhase;
  readonly offloaded: TrainingPhase;
  readonly offloadedOverInMemory: number;
  /** A fresh process: 4-bit checkpoint and adapter loaded, 8 tokens generated. */
  readonly fresh: GeneratedAnswers;
}

interface PhaseRequest {
  readonly folder: string;
  readonly rows: number;
  readonly tokens: number;
  readonly steps: number;
  readonly kind: 'memory' | 'offload';
}

export async function benchWholeMistral(options: WholeBenchOptions = {}): Promise<WholeBench> {
  const { layers = 32, rows = 2, tokens = 192, steps = 2 } = options;
  const folder = options.folder ?? (await fs.mkdtemp(path.join(os.tmpdir(), 'tunebook-mistral-')));
  const source = path.join(folder, 'bf16');
  const architecture = architectureOf({
    model_type: 'mistral',
    num_hidden_layers: layers,
    rms_norm_eps: 1e-5,
    sliding_window: 4096,
  });
  const bytes = 2 * countParameters(architecture);
  try {
    const isThere = await fs.stat(path.join(source, 'config.json')).catch(() => undefined);
    if (isThere === undefined) await requireFreeSpace(folder, Math.round(1.6 * bytes));
    const started = performance.now();
    const checkpointBytes = isThere === undefined ? await writeMistralCheckpoint(source, { layers }) : bytes;
    const writeSeconds = (performance.now() - started) / 1000;
    say(`${checkpointBytes} bytes in ${source}, ${writeSeconds.toFixed(0)} s`);
    const request = { folder, rows, tokens, steps };
    const inMemory = inProcess<TrainingPhase>({ ...request, kind: 'memory' });
    say(`in memory: ${JSON.stringify(inMemory)}`);
    const offloaded = inProcess<TrainingPhase>({ ...request, kind: 'offload' });
    say(`offloaded: ${JSON.stringify(offloaded)}`);
    const fresh = generateInProcess(folder);
    say(`fresh process: ${JSON.stringify(fresh)}`);
    return {
      layers,
      tokens: rows * tokens,
      parameters: countParameters(architecture),
      trainable: trainableSummary(architecture, lora),
      writeSeconds,
      checkpointBytes,
      inMemory,
      offloaded,
      offloadedOverInMemory: offloaded.stepSeconds / inMemory.stepSeconds,
      fresh,
    };
  } finally {
    if (options.folder === undefined) await fs.rm(folder, { recursive: true, force: true });
  }
}

const lora = new LoraConfig({ r: 8, loraAlpha: 16, loraDropout: 0.05, targetModules: ['q_proj', 'v_proj'] });
const nf4 = new BitsAndBytesConfig({
  loadIn4bit: true,
  bnb4bitQuantType: 'nf4',
  bnb4bitUseDoubleQuant: true,
});

/** Progress goes to stderr, so that --json stays JSON. */
function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

function inProcess<Result>(request: PhaseRequest): Result {
  const printed = execFileSync(process.execPath, [__filename, JSON.stringify(request)], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return JSON.parse(printed) as Result;
}

function generateInProcess(folder: string): GeneratedAnswers {
  const words = ['generate', '--model', path.join(folder, 'nf4'), '--adapter', path.join(folder, 'adapter')];
  const printed = execFileSync(process.execPath, [CLI, ...words, '-n', '8', '--json', 'The race was'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return JSON.parse(printed) as GeneratedAnswers;
}

/** Loads, trains and, the first time, saves the model in 4 bits and the adapter. */
async function trainingPhase(request: PhaseRequest): Promise<TrainingPhase> {
  const { folder, kind } = request;
  let plan: DeviceMap | undefined;
  const onDeviceMap = (table: string, made: DeviceMap): void => {
    say(table);
    plan = made;
  };
  const started = performance.now();
  // The 16-bit checkpoint is quantized once; what that gave is saved and read by the other phases.
  const options: FromPretrainedOptions =
    kind === 'memory'
      ? { quantizationConfig: nf4, deviceMap: 'auto', onDeviceMap }
      : { deviceMap: 'auto', maxMemory: '3GB', offloadFolder: path.join(folder, 'offload'), onDeviceMap };
  const source = path.join(folder, kind === 'memory' ? 'bf16' : 'nf4');
  const model = await AutoModelForCausalLM.fromPretrained(source, options);
  const loadSeconds = (performance.now() - started) / 1000;
  const [loadedBytes, loadPeakBytes] = [process.memoryUsage().rss, peakMemoryBytes()];
  say(`loaded in ${loadSeconds.toFixed(0)} s`);
  getPeftModel(model, lora);
  const { loss, stepSeconds } = await trainingSteps(model, request);
  const peakBytes = peakMemoryBytes();
  if (kind === 'memory') {
    const adapter = path.join(folder, 'adapter');
    await saveAdapter(model, adapter);
    await (await AutoTokenizer.fromPretrained('mistral')).savePretrained(adapter);
    await savePretrained(model, path.join(folder, 'nf4'), { dtype: 'BF16' });
  }
  const count = request.rows * request.tokens;
  const peakGflops = await productGflops(model.engine, count, 3);
  const { modules, layers } = model.architecture;
  const linear = layers * modules.reduce((sum, { inSize, outSize }) => sum + inSize * outSize, 0);
  await model.dispose();
  return {
    loadSeconds,
    memoryBytes: plan?.memoryBytes ?? NaN,
    diskBytes: plan?.diskBytes ?? NaN,
    loadedBytes,
    loadPeakBytes,
    stepSeconds,
    peakBytes,
    loss,
    peakGflops,
    shareOfPeak: (3 * 2 * linear * count) / (stepSeconds * 1e9) / peakGflops,
  };
}

async function trainingSteps(
  model: CausalLM,
  { rows, tokens, steps }: PhaseRequest,
): Promise<{ loss: number; stepSeconds: number }> {
  const gradients = allocateGradients(model.trainableParameters());
  const inputIds = Int32Array.from({ length: rows * tokens }, (_, i) => (i * 7919) % 32000);
  const batch: Batch = {
    shape: [rows, tokens],
    inputIds,
    attentionMask: new Int32Array(inputIds.length).fill(1),
    // Only the last third has labels, as where only answers count.
    labels: inputIds.map((id, i) => (i % tokens < (2 * tokens) / 3 ? -100 : id)),
  };
  let [loss, stepSeconds] = [NaN, Infinity];
  for (let step = 0; step < steps; step++) {
    const [started, compiledMs] = [performance.now(), model.engine.compileMs];
    loss = await forwardBackward(model, gradients, {
      batch,
      lossScale: 3 / inputIds.length,
      accumulate: false,
      gradientCheckpointing: true,
      dropout: { seed: 1, step },
    });
    const took = (performance.now() - started - (model.engine.compileMs - compiledMs)) / 1000;
    stepSeconds = Math.min(stepSeconds, took);
    say(`step ${step + 1}: ${took.toFixed(1)} s, loss ${loss.toFixed(3)}`);
  }
  return { loss, stepSeconds };
}

if (require.main === module) {
  void trainingPhase(JSON.parse(process.argv[2]) as PhaseRequest).then((result) =>
    process.stdout.write(JSON.stringify(result)),
  );
}
