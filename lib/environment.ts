/**
 * Where the package lies, and the environment variables that it reads: Hugging Face's `HF_*` by the rules of
 * Python's huggingface_hub, and our `TUNEBOOK_*`. Nothing else in lib reads them. They are read at each call, not
 * at import: a cell may set one.
 */
import { readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

/** The folder of package.json. The package runs from `.build/lib`, in the repository as where it is installed. */
export const PACKAGE_ROOT = path.resolve(__dirname, '..', '..');

/** The package's version, from its package.json. */
export function packageVersion(): string {
  const manifest = readFileSync(path.join(PACKAGE_ROOT, 'package.json'), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}

/** A folder of the data that comes with the package. */
export function dataFolder(name: 'fonts' | 'models' | 'tokenizers' | 'hyrox' | 'serve'): string {
  return path.join(PACKAGE_ROOT, 'data', name);
}

/** The environment's word on the Hugging Face hub. */
export interface HubEnvironment {
  /** HF_ENDPOINT without a slash at the end, else https://huggingface.co. */
  readonly endpoint: string;
  /** HF_TOKEN, else the token that `hf auth login` stored. */
  readonly token: string | undefined;
  /** HF_HOME, else `huggingface` in the user's cache folder. */
  readonly homeFolder: string;
  /** HF_HUB_CACHE, else `hub` in `homeFolder`. */
  readonly cacheFolder: string;
  /** HF_HUB_OFFLINE, or TRANSFORMERS_OFFLINE where that is not set, is 1, ON, YES or TRUE. */
  readonly isOffline: boolean;
}

/** Reads what concerns the hub. */
export function hubEnvironment(env: NodeJS.ProcessEnv = process.env): HubEnvironment {
  const named = (...names: string[]): string | undefined => names.map((name) => env[name]).find(Boolean);
  const cacheHome = named('XDG_CACHE_HOME') ?? '~/.cache';
  const homeFolder = expandHome(named('HF_HOME') ?? path.join(cacheHome, 'huggingface'));
  const cacheFolder = named('HF_HUB_CACHE', 'HUGGINGFACE_HUB_CACHE') ?? path.join(homeFolder, 'hub');
  const tokenFile = expandHome(named('HF_TOKEN_PATH') ?? path.join(homeFolder, 'token'));
  const offline = named('HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE') ?? '';
  return {
    endpoint: (named('HF_ENDPOINT') ?? 'https://huggingface.co').replace(/\/+$/, ''),
    token: named('HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN')?.trim() || storedToken(tokenFile),
    homeFolder,
    cacheFolder: expandHome(cacheFolder),
    isOffline: ['1', 'ON', 'YES', 'TRUE'].includes(offline.toUpperCase()),
  };
}

/** Our own variables. */
export interface TunebookEnvironment {
  /** TUNEBOOK_PROVIDER: the hardware of compiled functions. */
  readonly provider: string | undefined;
  /** TUNEBOOK_THREADS, else 0: one per core. */
  readonly threads: number;
  /** TUNEBOOK_TFJS_NODE: the folder of TensorFlow.js's native package. */
  readonly tfjsNodeFolder: string | undefined;
  /** TUNEBOOK_LLAMA_CPP: the folder that node-llama-cpp was installed into. */
  readonly llamaCppFolder: string | undefined;
  /** TUNEBOOK_MPI_LIBRARY: the file of MPI's library, in place of the launcher's. */
  readonly mpiLibrary: string | undefined;
  /** TUNEBOOK_LAUNCH_FOLDER: where a rank's run says that it came to its end, whatever the end was. */
  readonly launchFolder: string | undefined;
  /** TUNEBOOK_OUTPUT: the folder of a run's results. */
  readonly outputFolder: string | undefined;
  /** TUNEBOOK_STDIN: a file whose lines answer what cells ask in a run without a person. */
  readonly stdinFile: string | undefined;
  /** TUNEBOOK_TOKEN: what requests to `tunebook serve` must have. */
  readonly serverToken: string | undefined;
  /** TUNEBOOK_RUN is 1: cells run without a person, by `tunebook run`. */
  readonly isHeadless: boolean;
  /** TUNEBOOK_KERNEL_IMAGE is not 0: kernels start from an image in which TypeScript is loaded already. */
  readonly usesKernelImage: boolean;
  /** TUNEBOOK_PARAM_name: parameters of a notebook as texts, by name. */
  readonly parameters: Readonly<Record<string, string>>;
}

const PARAMETER_PREFIX = 'TUNEBOOK_PARAM_';

/** Reads our own variables. */
export function tunebookEnvironment(env: NodeJS.ProcessEnv = process.env): TunebookEnvironment {
  const parameters = Object.entries(env).flatMap(([name, value]): [string, string][] =>
    name.startsWith(PARAMETER_PREFIX) && value !== undefined
      ? [[name.slice(PARAMETER_PREFIX.length), value]]
      : [],
  );
  return {
    provider: env.TUNEBOOK_PROVIDER,
    threads: Number(env.TUNEBOOK_THREADS ?? 0),
    tfjsNodeFolder: env.TUNEBOOK_TFJS_NODE,
    llamaCppFolder: env.TUNEBOOK_LLAMA_CPP || undefined,
    mpiLibrary: env.TUNEBOOK_MPI_LIBRARY || undefined,
    launchFolder: env.TUNEBOOK_LAUNCH_FOLDER || undefined,
    outputFolder: env.TUNEBOOK_OUTPUT,
    stdinFile: env.TUNEBOOK_STDIN,
    serverToken: env.TUNEBOOK_TOKEN,
    isHeadless: env.TUNEBOOK_RUN === '1',
    usesKernelImage: env.TUNEBOOK_KERNEL_IMAGE !== '0',
    parameters: Object.fromEntries(parameters),
  };
}

function storedToken(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim() || undefined;
  } catch {
    return undefined; // never logged in
  }
}

function expandHome(folder: string): string {
  return folder.replace(/^~(?=$|[\\/])/, os.homedir());
}
