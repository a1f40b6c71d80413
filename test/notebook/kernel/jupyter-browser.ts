/** Jupyter and a browser for tests: a server of its own in a temporary prefix, and a page of headless chromium. */
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { chromium } from 'playwright-core';
import type { Browser, Page } from 'playwright-core';
import { sleep } from './kernel-session';
import { CLI } from '../../support/paths';

/** The path of the first program of these names that PATH has; null where there is none. */
export function findProgram(names: readonly string[]): string | null {
  const folders = (process.env.PATH ?? '').split(path.delimiter);
  for (const name of names)
    for (const folder of folders) if (fs.existsSync(path.join(folder, name))) return path.join(folder, name);
  return null;
}

/** The path of a browser; null where there is none. */
export const chromiumProgram = findProgram(['chromium', 'chromium-browser', 'google-chrome']);
const notebookProgram = findProgram(['jupyter-notebook']);

/** The path of Debian's nbconvert; null where there is none. */
export const nbconvertProgram = findProgram(['jupyter-nbconvert']);

/** Why a test with Jupyter in a browser cannot run here; false when it can. */
export const browserMissing: string | false =
  chromiumProgram === null
    ? 'chromium is not installed'
    : notebookProgram === null
      ? 'jupyter-notebook is not installed'
      : false;

/** Where Jupyter keeps what it writes: all below `prefix`, nothing in the user's home. */
export function jupyterEnvironment(prefix: string): NodeJS.ProcessEnv {
  return {
    ...process.env,
    HOME: prefix,
    JUPYTER_PATH: path.join(prefix, 'share', 'jupyter'),
    JUPYTER_DATA_DIR: path.join(prefix, 'data'),
    JUPYTER_RUNTIME_DIR: path.join(prefix, 'runtime'),
    JUPYTER_CONFIG_DIR: path.join(prefix, 'config'),
    IPYTHONDIR: path.join(prefix, 'ipython'),
  };
}

/** `tunebook kernel install --prefix`, as a person types it. */
export function installKernelInto(prefix: string): string {
  return execFileSync(process.execPath, [CLI, 'kernel', 'install', '--prefix', prefix], { encoding: 'utf8' });
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A notebook server that has started; `stop()` must be called. */
export interface NotebookServer {
  readonly address: string;
  readonly token: string;
  stop(): Promise<void>;
}

/**
 * Starts a notebook server and waits until it answers.
 * @param program path of `jupyter-notebook` or `jupyter-lab`
 * @param flags without the port
 */
export async function startServer(
  program: string,
  flags: readonly string[],
  folder: string,
  env: NodeJS.ProcessEnv,
): Promise<NotebookServer> {
  const port = await freePort();
  const token = randomBytes(16).toString('hex');
  const server = spawn(program, ['--no-browser', '--allow-root', `--port=${port}`, ...flags], {
    cwd: folder,
    env: { ...env, JUPYTER_TOKEN: token },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  server.stderr.setEncoding('utf8').on('data', (text: string) => (log = (log + text).slice(-4000)));
  const address = `http://127.0.0.1:${port}`;
  for (let i = 0; ; i++) {
    const up = await fetch(`${address}/api?token=${token}`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (up) break;
    if (i > 150 || server.exitCode !== null) {
      server.kill('SIGKILL');
      throw new Error(`the notebook server does not start:\n${log}`);
    }
    await sleep(200);
  }
  return {
    address,
    token,
    async stop() {
      const ended = new Promise((resolve) => server.once('exit', resolve));
      server.kill('SIGTERM'); // ends its kernels as well
      const late = setTimeout(() => server.kill('SIGKILL'), 8000);
      await ended;
      clearTimeout(late);
    },
  };
}

/** WebGPU by the driver that Chromium brings, which computes on the processor. */
const SOFTWARE_WEBGPU = [
  ...['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader', '--enable-features=Vulkan'],
];

/** A headless browser; without a GPU, or with Chromium's software one for WebGPU. */
export function launchBrowser({ hasWebGpu = false } = {}): Promise<Browser> {
  return chromium.launch({
    executablePath: chromiumProgram ?? '',
    args: ['--no-sandbox', '--disable-dev-shm-usage', ...(hasWebGpu ? SOFTWARE_WEBGPU : ['--disable-gpu'])],
  });
}

/** A notebook server, and a browser that looks at it; `stop()` must be called. */
export class JupyterBrowser {
  private constructor(
    readonly page: Page,
    private readonly browser: Browser,
    private readonly server: NotebookServer,
  ) {}

  /**
   * Starts both and opens a notebook.
   * @param folder the server's folder
   * @param notebook path from there
   */
  static async open(folder: string, notebook: string, env: NodeJS.ProcessEnv): Promise<JupyterBrowser> {
    const flags = ['--port-retries=0', `--notebook-dir=${folder}`];
    const server = await startServer(notebookProgram ?? '', flags, folder, env);
    const browser = await launchBrowser();
    const page = await browser.newPage({ viewport: { width: 1200, height: 900 }, colorScheme: 'light' });
    page.on('dialog', (dialog) => void dialog.accept().catch(() => undefined));
    await page.goto(`${server.address}/notebooks/${notebook}?token=${server.token}`);
    await page.waitForSelector('.kernel_idle_icon', { timeout: 30_000, state: 'attached' });
    return new JupyterBrowser(page, browser, server);
  }

  /** The `index`-th cell of the notebook, Markdown cells counted. */
  cell(index: number): ReturnType<Page['locator']> {
    return this.page.locator('#notebook-container > .cell').nth(index);
  }

  /** Clicks an entry of Jupyter's menu. */
  async menu(title: string, entry: string): Promise<void> {
    await this.page.locator(`#menus > .container-fluid .navbar-nav > li > a`, { hasText: title }).click();
    await this.page.locator(entry).click();
  }

  async stop(): Promise<void> {
    await this.browser.close();
    await this.server.stop();
  }
}
