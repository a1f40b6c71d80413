/** The image that a run's kernel starts from: what cells see of it is nothing but the time. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { KernelClient } from '../../../lib/notebook/client/kernel-client';
import { kernelImage, makeKernelImage } from '../../../lib/notebook/client/kernel-image';
import { Workplace } from '../../support/make-notebook';

/** How many files the kernel's compiler had parsed before the process began. */
const PARSED = '(globalThis as any)[Symbol.for("tunebook.parsedFiles")]?.size ?? 0';

describe('the image of a kernel', { timeout: 240_000 }, () => {
  const place = new Workplace();
  let kernel: KernelClient;
  const start = (env: Record<string, string> = {}): Promise<KernelClient> =>
    KernelClient.start({ cwd: place.folder, env: { TUNEBOOK_RUN: '1', ...env } });
  /** What a cell prints, or its error. */
  async function run(code: string, client = kernel): Promise<string> {
    let text = '';
    const off = client.onMessage(({ type, content }) => {
      if (type === 'stream') text += String(content.text);
    });
    const { content } = await client.execute(code).done;
    off();
    return content.status === 'ok' ? text : String(content.evalue);
  }
  before(async () => {
    assert.ok(makeKernelImage('elsewhere'), 'node makes no image here');
    kernel = await start();
  });
  after(async () => {
    await kernel.shutdown();
    place.remove();
  });

  it('has the declarations parsed, and cells are checked as ever', async () => {
    assert.ok(fs.statSync(kernelImage(place.folder) ?? '').size > 1e6);
    assert.ok(Number(await run(`console.log(${PARSED})`)) > 100);
    assert.match(await run('const n: number = "a";'), /^line 1:7: Type 'string' is not assignable/);
    assert.match(await run('import fs from "fs"; fs.readFileSync(1n);'), /'bigint' is not assignable/);
    assert.match(await run('Buffer.no'), /Property 'no' does not exist/);
  });

  it('stands in the folder, and knows the arguments, that the process has', async () => {
    const where = 'import path from "path"; console.log(process.cwd(), path.resolve("x"), __dirname)';
    const folder = fs.realpathSync(place.folder);
    assert.equal(await run(where), `${folder} ${folder}/x ${folder}\n`);
    fs.writeFileSync(place.file('beside.ts'), 'export const beside: number = 7;');
    assert.equal(await run('import { beside } from "./beside"; console.log(beside)'), '7\n');
    assert.equal(
      await run('console.log(process.execArgv.join(), process.env.TUNEBOOK_RUN)'),
      '--no-force-async-hooks-checks 1\n',
    );
  });

  it('is not passed on to programs, threads and modules that cells start', async () => {
    fs.writeFileSync(place.file('child.mjs'), 'process.send(process.argv[2])');
    const fork = `import cp from "child_process"; const child = cp.fork("./child.mjs", ["x"]);
      console.log(await new Promise((r) => child.once("message", r)));`;
    assert.equal(await run(fork), 'x\n');
    const thread = `import { Worker } from "worker_threads";
      const worker = new Worker('require("worker_threads").parentPort.postMessage(typeof WebAssembly)', { eval: true });
      console.log(await new Promise((r) => worker.once("message", r)));`;
    assert.equal(await run(thread), 'object\n');
    fs.writeFileSync(place.file('own.mjs'), 'export default 3; export const late = 4;');
    assert.equal(
      await run('const own = await import(process.cwd() + "/own.mjs"); console.log(own.default, own.late)'),
      '3 4\n',
    );
    assert.equal(
      await run('import { rougeL } from "tunebook"; console.log(rougeL(["a b"], ["a b"]))'),
      '1\n',
    );
  });

  it('is skipped when node cannot start from it', async () => {
    const other = await start({ NODE_OPTIONS: '--stack-trace-limit=20' });
    assert.equal(await run(`console.log(${PARSED}, Error.stackTraceLimit)`, other), '0 20\n');
    await other.shutdown();
    assert.ok(kernelImage(place.folder) !== undefined, 'for the others it stays');
    const without = process.env.TUNEBOOK_KERNEL_IMAGE;
    process.env.TUNEBOOK_KERNEL_IMAGE = '0';
    assert.equal(kernelImage(place.folder), undefined);
    if (without === undefined) delete process.env.TUNEBOOK_KERNEL_IMAGE;
    else process.env.TUNEBOOK_KERNEL_IMAGE = without;
  });
});
