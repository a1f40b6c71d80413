/** What people set up once: the kernel for Jupyter, the hub. */
import fs from 'node:fs';
import { KERNEL_NAME } from '../../display';
import { hubEnvironment } from '../../environment';
import { kernelsFolders, listKernels } from '../client/kernelspec';
import { finding } from './finding';
import type { Finding } from './finding';

/** Where Jupyter finds this package's kernel. */
export function kernelspecs(env: NodeJS.ProcessEnv): Finding {
  const own = listKernels(kernelsFolders(env), env).filter(({ name }) => name === KERNEL_NAME);
  const working = own.find(({ problem }) => problem === undefined);
  const found =
    working?.folder ?? (own.length > 0 ? `${own[0].folder}: ${own[0].problem}` : 'not registered');
  return finding('Jupyter kernel', working !== undefined, found, false, 'npx tunebook kernel install');
}

/** The hub's cache and token; the token itself is never shown. */
export function hub(env: NodeJS.ProcessEnv): Finding[] {
  const { cacheFolder, token } = hubEnvironment(env);
  const models = fs.existsSync(cacheFolder)
    ? fs.readdirSync(cacheFolder).filter((name) => name.startsWith('models--')).length
    : 0;
  return [
    finding('hub cache', true, `${cacheFolder}: ${models} model${models === 1 ? '' : 's'}`, false),
    finding(
      'hub token',
      token !== undefined,
      token === undefined ? 'none' : 'set',
      false,
      'only for gated models: set HF_TOKEN',
    ),
  ];
}
