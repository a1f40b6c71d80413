/** Node.js and the packages with native parts. */
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { tunebookEnvironment } from '../../environment';
import { messageOf } from '../../types';
import { finding } from './finding';
import type { Finding } from './finding';

const fromHere = createRequire(__filename);
const firstLine = (error: unknown): string => messageOf(error).split('\n')[0];

/** Node 20.19 is the first that can `require` ECMAScript modules without a flag. */
export function node(): Finding {
  const [major, minor] = process.versions.node.split('.').map(Number);
  const good = major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19);
  const found = `${process.version}, ${process.platform} ${process.arch}`;
  return finding('Node.js', good, found, true, 'install Node.js 20.19 or later (22.12 or later of the 22s)');
}

/** A package that must load, its native part included. */
export function loads(name: string, advice: string): Finding {
  try {
    fromHere(name);
    const { version } = fromHere(`${name}/package.json`) as { version: string };
    return finding(name, true, version, true);
  } catch (error) {
    return finding(name, false, firstLine(error), true, advice);
  }
}

export function tslab(): Finding {
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

/** The package's install step downloads it on request; .npmrc of this package says not to. */
const CUDA_ADVICE =
  'for an NVIDIA GPU with CUDA 12 and cuDNN 9: ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node';

/** ONNX Runtime's providers; CUDA's library comes apart from the package. */
export function providers(): Finding[] {
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

/** TensorFlow's own library: its binding is a file that the package's install step fetches. */
export function tensorflow(env: NodeJS.ProcessEnv): Finding {
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
  const { tfjsNodeFolder } = tunebookEnvironment(env);
  if (tfjsNodeFolder) folders.unshift(path.resolve(tfjsNodeFolder));
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
