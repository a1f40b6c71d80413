/** The page of `exportWeb` as its visitors have it: a static server on the loopback address, and a browser that asks. */
import { createReadStream } from 'node:fs';
import fs from 'node:fs/promises';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { chromiumProgram, launchBrowser } from '../notebook/kernel/jupyter-browser';

const TYPES: Readonly<Record<string, string>> = {
  ...{ '.html': 'text/html', '.css': 'text/css', '.svg': 'image/svg+xml', '.json': 'application/json' },
  ...{ '.js': 'text/javascript', '.mjs': 'text/javascript', '.wasm': 'application/wasm' },
};

/** A page that waits for records. */
export interface OpenedPage {
  /** What stands under the title once the model is loaded. */
  readonly status: string;
  /** Errors on the page's console, and addresses that are not the server's. */
  readonly problems: readonly string[];
  /** What stands there now. */
  statusNow(): Promise<string>;
  /** Fills in the form and waits for the whole answer. */
  ask(record: Readonly<Record<string, string>>): Promise<string>;
  close(): Promise<void>;
}

async function serveFolder(folder: string): Promise<http.Server> {
  const server = http.createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://x');
    const file = path.join(folder, path.posix.normalize(pathname.replace(/\/$/, '/index.html')));
    void fs.stat(file).then(
      () => {
        response.writeHead(200, { 'content-type': TYPES[path.extname(file)] ?? 'application/octet-stream' });
        createReadStream(file).pipe(response);
      },
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

/** How a page is opened. */
export interface OpenOptions {
  /** One of those that it was written with; default: the page's first. */
  readonly dtype?: string;
  /** 'webgpu': Chromium's software driver, which the page takes only where it is asked to. */
  readonly device?: 'webgpu';
  /** A script that runs before the page's own. */
  readonly script?: string;
}

/** Why Chromium has no WebGPU here; false where it has. */
export async function webGpuMissing(): Promise<string | false> {
  if (chromiumProgram === null) return 'chromium is not installed';
  const server = await serveFolder('.'); // a secure context
  const browser = await launchBrowser({ hasWebGpu: true });
  try {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/package.json`);
    const hasAdapter = await page.evaluate('navigator.gpu?.requestAdapter().then((found) => found !== null)');
    return hasAdapter === true ? false : 'chromium has no software driver for WebGPU here';
  } finally {
    await browser.close();
    server.closeAllConnections();
    server.close();
  }
}

/** Opens the page and waits for its model. */
export async function openInBrowser(
  folder: string,
  { dtype, device, script }: OpenOptions = {},
): Promise<OpenedPage> {
  const server = await serveFolder(folder);
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const browser = await launchBrowser({ hasWebGpu: device === 'webgpu' });
  const close = async (): Promise<void> => {
    await browser.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  const problems: string[] = [];
  try {
    const page = await browser.newPage();
    page.on('pageerror', ({ message }) => problems.push(message));
    page.on('console', (line) => line.type() === 'error' && problems.push(line.text()));
    page.on('request', (request) => {
      if (!request.url().startsWith(address)) problems.push(`fetched ${request.url()}`);
    });
    if (script !== undefined) await page.addInitScript(script);
    const query = Object.entries({ dtype, device }).filter(([, value]) => value !== undefined);
    await page.goto(`${address}?${query.map((pair) => pair.join('=')).join('&')}`);
    await page.locator('body[data-ready], #status.error').first().waitFor({ timeout: 120_000 });
    const status = (await page.textContent('#status')) ?? '';
    if ((await page.locator('#status.error').count()) > 0) throw new Error(`page: ${status}`);
    return {
      status,
      problems,
      close,
      statusNow: async () => (await page.textContent('#status')) ?? '',
      ask: async (record) => {
        for (const [field, value] of Object.entries(record)) {
          const box = page.locator(`textarea[name="${field}"]`);
          if ((await box.count()) > 0) await box.fill(value);
        }
        await page.locator('#answer').evaluate((box) => box.removeAttribute('data-done'));
        await page.click('#ask');
        await page.locator('#answer[data-done]').waitFor({ state: 'attached', timeout: 240_000 });
        if ((await page.locator('#status.error').count()) > 0)
          throw new Error(`page: ${await page.textContent('#status')}`);
        return (await page.textContent('#answer')) ?? '';
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}
