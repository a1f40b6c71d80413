/**
 * `tunebook doctor`: what of this machine the library can use, what is missing, and what to type to get it.
 * Nothing is installed or downloaded; only the GPU, where there may be one, is started to see what it is worth.
 */
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { findVulkan, gpuRace, raceText } from '../engine';
import { KERNEL_NAME } from '../notebook/format/kernel-names';
import { kernelsFolders, listKernels } from '../notebook/kernel/kernelspec';
import { PACKAGE_ROOT } from '../environment';

/** One line of the table. */
export interface Finding {
  readonly subject: string;
  /** `missing` is an error only where `needed` is true. */
  readonly state: 'ok' | 'missing';
  /** What was found. */
  readonly found: string;
  /** Whether the library cannot work without it. */
  readonly needed: boolean;
  /** What to type or do; absent where nothing is to be done. */
  readonly advice?: string;
}

/** What is looked at; the defaults are this machine's. */
export interface DoctorOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** Folder whose free space counts. */
  readonly folder?: string;
}
const fromHere = createRequire(__filename);
const gigabytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0];
}

function finding(subject: string, ok: boolean, found: string, needed: boolean, advice?: string): Finding {
  return { subject, state: ok ? 'ok' : 'missing', found, needed, ...(ok || !advice ? {} : { advice }) };
}

/** Node 20.19 is the first that can `require` ECMAScript modules without a flag. */
function node(): Finding {
  const [major, minor] = process.versions.node.split('.').map(Number);
  const good = major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19);
  const found = `${process.version}, ${process.platform} ${process.arch}`;
  return finding('Node.js', good, found, true, 'install Node.js 20.19 or later (22.12 or later of the 22s)');
}

/** A package that must load, its native part included. */
function loads(name: string, advice: string): Finding {
  try {
    fromHere(name);
    const { version } = fromHere(`${name}/package.json`) as { version: string };
    return finding(name, true, version, true);
  } catch (error) {
    return finding(name, false, firstLine(error), true, advice);
  }
}

function tslab(): Finding {
  try {
    const { version } = fromHere('tslab/package.json') as { version: string };
    return finding('tslab', true, `${version}, the notebooks' kernel`, true);
  } catch (error) {
    return finding('tslab', false, firstLine(error), true, 'npm ci');
  }
}

interface Backend {
  readonly name: string;
  readonly bundled: boolean;
}

/** The package's install step downloads it when told to; .npmrc of this package says not to. */
const CUDA_ADVICE =
  'for an NVIDIA GPU with CUDA 12 and cuDNN 9: ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node';

/** ONNX Runtime's providers; CUDA's library comes apart from the package. */
function providers(): Finding[] {
  let backends: Backend[];
  let folder: string;
  try {
    backends = (
      fromHere('onnxruntime-node') as { listSupportedBackends(): Backend[] }
    ).listSupportedBackends();
    folder = path.dirname(fromHere.resolve('onnxruntime-node/package.json'));
  } catch (error) {
    return [finding('ONNX Runtime', false, firstLine(error), true, 'npm ci')];
  }
  const { version } = fromHere('onnxruntime-node/package.json') as { version: string };
  const bundled = backends.filter((backend) => backend.bundled).map(({ name }) => name);
  const out = [
    finding('ONNX Runtime', bundled.includes('cpu'), `${version}: ${bundled.join(', ')}`, true, 'npm ci'),
  ];
  if (backends.some(({ name }) => name === 'cuda')) {
    const library = fs
      .readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .find((file) => /onnxruntime_providers_cuda\./.test(file));
    out.push(
      finding('CUDA provider', library !== undefined, library ?? 'not downloaded', false, CUDA_ADVICE),
    );
  }
  return out;
}

/** Chromium's driver that computes on the CPU: slow, but it makes WebGPU testable. */
const SOFTWARE_DRIVER = '/usr/lib/chromium/vk_swiftshader_icd.json';

/** WebGPU on Linux goes through Vulkan: its loader must be found, and a driver. */
function vulkan(env: NodeJS.ProcessEnv): Finding[] {
  if (process.platform !== 'linux') return [];
  const { drivers, loader } = findVulkan(env);
  const driverAdvice = fs.existsSync(SOFTWARE_DRIVER)
    ? `the GPU's driver (apt-get install mesa-vulkan-drivers, or NVIDIA's); to try without one: VK_ICD_FILENAMES=${SOFTWARE_DRIVER}`
    : "the GPU's driver (apt-get install mesa-vulkan-drivers, or NVIDIA's)";
  const loaderAdvice = fs.existsSync('/usr/lib/chromium/libvulkan.so.1')
    ? 'apt-get install libvulkan1, or start with LD_LIBRARY_PATH=/usr/lib/chromium'
    : 'apt-get install libvulkan1';
  return [
    finding('Vulkan driver (WebGPU)', drivers.length > 0, drivers.join(', ') || 'none', false, driverAdvice),
    finding(
      'Vulkan loader (WebGPU)',
      loader !== undefined,
      loader ?? 'no libvulkan.so.1',
      false,
      loaderAdvice,
    ),
  ];
}

/** Whether the GPU is faster than the processor, tried out. */
async function gpu(): Promise<Finding> {
  const race = await gpuRace();
  return finding('GPU (WebGPU)', 'gpuMs' in race, raceText(race), false, 'nothing: the processor is used');
}

/** TensorFlow's own library: its binding is a file that the package's install step fetches. */
function tensorflow(env: NodeJS.ProcessEnv): Finding {
  const fromProject = createRequire(path.join(process.cwd(), 'package.json'));
  const names = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'];
  const folders = [fromHere, fromProject].flatMap((load) =>
    names.flatMap((name): string[] => {
      try {
        return [path.dirname(load.resolve(`${name}/package.json`))];
      } catch {
        return [];
      }
    }),
  );
  if (env.TUNEBOOK_TFJS_NODE) folders.unshift(path.resolve(env.TUNEBOOK_TFJS_NODE));
  const found = folders.find(
    (folder) =>
      fs.existsSync(path.join(folder, 'lib')) &&
      fs
        .readdirSync(path.join(folder, 'lib'), { recursive: true, encoding: 'utf8' })
        .some((file) => file.endsWith('.node')),
  );
  return finding(
    'TensorFlow, native',
    found !== undefined,
    found ?? 'no binding',
    false,
    "npm install @tensorflow/tfjs-node-gpu (Linux, CUDA 11, Node < 23); only for backend 'tensorflow'",
  );
}

function machine(folder: string): Finding[] {
  const { bavail, bsize } = fs.statfsSync(folder);
  const free = bavail * bsize;
  const memory = os.totalmem();
  return [
    finding(
      'memory',
      memory >= 2 * 2 ** 30,
      `${gigabytes(memory)}, ${gigabytes(os.freemem())} free`,
      false,
      'at least 2 GiB for the small model, 6 GiB to train GPT-2 wholly',
    ),
    finding(
      'disk',
      free >= 2 * 2 ** 30,
      `${gigabytes(free)} free at ${folder}`,
      false,
      'at least 2 GiB free: checkpoints hold the weights and the optimizer',
    ),
    finding(
      'processor',
      true,
      `${os.availableParallelism()} cores, ${os.cpus()[0]?.model.trim() ?? 'unknown'}`,
      false,
    ),
  ];
}

/** Where Jupyter finds this package's kernel. */
function kernelspecs(env: NodeJS.ProcessEnv): Finding {
  const own = listKernels(kernelsFolders(env), env).filter(({ name }) => name === KERNEL_NAME);
  const working = own.find(({ problem }) => problem === null);
  const found =
    working?.folder ?? (own.length > 0 ? `${own[0].folder}: ${own[0].problem}` : 'not registered');
  return finding('Jupyter kernel', working !== undefined, found, false, 'npx tunebook kernel install');
}

function hub(env: NodeJS.ProcessEnv): Finding[] {
  const cacheHome = env.XDG_CACHE_HOME ?? path.join(env.HOME ?? os.homedir(), '.cache');
  const home = env.HF_HOME ?? path.join(cacheHome, 'huggingface');
  const cache = env.HF_HUB_CACHE ?? path.join(home, 'hub');
  const models = fs.existsSync(cache)
    ? fs.readdirSync(cache).filter((name) => name.startsWith('models--')).length
    : 0;
  const file = env.HF_TOKEN_PATH ?? path.join(home, 'token');
  const token =
    (env.HF_TOKEN ?? env.HUGGING_FACE_HUB_TOKEN) ? 'in the environment' : fs.existsSync(file) ? file : null;
  return [
    finding('hub cache', true, `${cache}: ${models} model${models === 1 ? '' : 's'}`, false),
    finding('hub token', token !== null, token ?? 'none', false, 'only for gated models: set HF_TOKEN'),
  ];
}

/** Looks at everything. */
export function examine(options: DoctorOptions = {}): Finding[] {
  const { env = process.env, folder = PACKAGE_ROOT } = options;
  return [
    node(),
    tslab(),
    loads('zeromq', 'npm rebuild zeromq'),
    ...providers(),
    ...vulkan(env),
    tensorflow(env),
    ...machine(folder),
    kernelspecs(env),
    ...hub(env),
  ];
}

/** The findings as aligned lines, with what to do below each that is missing. */
export function findingsText(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ subject }) => subject.length));
  return findings
    .flatMap(({ subject, state, found, needed, advice }) => [
      `${state === 'ok' ? 'ok      ' : needed ? 'MISSING ' : 'missing '} ${subject.padEnd(width)}  ${found}`,
      ...(advice === undefined ? [] : [`${' '.repeat(9 + width)}  → ${advice}`]),
    ])
    .join('\n');
}

/** Prints the table. @returns the exit status: 1 where something needed is missing */
export async function doctorCommand(options: { json?: boolean } = {}): Promise<number> {
  const findings = [...examine(), await gpu()];
  console.log(options.json === true ? JSON.stringify(findings, null, 2) : findingsText(findings));
  return findings.some(({ needed, state }) => needed && state === 'missing') ? 1 : 0;
}
