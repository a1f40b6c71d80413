/** JupyterLab 4 and a browser for tests: a server with settings of its own, and a page of headless chromium. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import type { Browser, Locator, Page } from 'playwright-core';
import { chromiumProgram, findProgram, launchBrowser, startServer } from './jupyter-browser';
import type { NotebookServer } from './jupyter-browser';

/** JupyterLab as TUNEBOOK_JUPYTER_LAB names it, else as PATH has it. */
const labProgram = process.env.TUNEBOOK_JUPYTER_LAB ?? findProgram(['jupyter-lab']);

function missing(): string | false {
  if (chromiumProgram === null) return 'chromium is not installed';
  if (labProgram === null) return 'JupyterLab is not installed (TUNEBOOK_JUPYTER_LAB may name jupyter-lab)';
  const version = execFileSync(labProgram, ['--version'], { encoding: 'utf8' }).trim();
  return version.startsWith('4.') ? false : `JupyterLab 4 is tested, this is ${version}`;
}

/** Why a test with JupyterLab in a browser cannot run here; false when it can. */
export const labMissing: string | false = missing();

/** Settings as a user makes them: all cells stay in the page, and nothing is asked for from the network. */
function writeSettings(env: NodeJS.ProcessEnv, theme: 'light' | 'dark'): void {
  const settings: Record<string, object> = {
    'notebook-extension/tracker': { windowingMode: 'none' },
    'apputils-extension/notification': { fetchNews: 'false', checkForUpdates: false },
    'apputils-extension/themes': { theme: theme === 'dark' ? 'JupyterLab Dark' : 'JupyterLab Light' },
  };
  for (const [name, value] of Object.entries(settings)) {
    const file = path.join(
      env.JUPYTER_CONFIG_DIR ?? '',
      'lab',
      'user-settings',
      '@jupyterlab',
      `${name}.jupyterlab-settings`,
    );
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, JSON.stringify(value));
  }
}

/** A Lab server, and a browser that looks at it; `stop()` must be called. */
export class JupyterLab {
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
  static async open(
    folder: string,
    notebook: string,
    env: NodeJS.ProcessEnv,
    theme: 'light' | 'dark' = 'light',
  ): Promise<JupyterLab> {
    writeSettings(env, theme);
    const flags = ['--ServerApp.port_retries=0', `--ServerApp.root_dir=${folder}`];
    const server = await startServer(labProgram ?? '', flags, folder, env);
    try {
      const browser = await launchBrowser();
      const page = await browser.newPage({ viewport: { width: 1300, height: 900 } });
      const lab = new JupyterLab(page, browser, server);
      await page.goto(`${server.address}/lab/tree/${notebook}?token=${server.token}`);
      await lab.cell(0).waitFor({ timeout: 60_000 });
      await page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').waitFor({ timeout: 30_000 });
      return lab;
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  /** The `index`-th cell of the notebook, Markdown cells counted. */
  cell(index: number): Locator {
    return this.page.locator('.jp-Notebook .jp-Cell').nth(index);
  }

  /** Clicks an entry of Lab's menu. */
  async menu(title: string, entry: string): Promise<void> {
    await this.page.locator('.lm-MenuBar-item', { hasText: title }).click();
    await this.page.locator('.lm-Menu-item', { hasText: entry }).click();
  }

  async stop(): Promise<void> {
    await this.browser.close();
    await this.server.stop();
  }
}
