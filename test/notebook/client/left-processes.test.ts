/** What cells start is ended with the run, however it was started and however the run ends. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { runNotebook } from '../../../lib/notebook/run/runner';
import { isRunning, sleep } from '../kernel/kernel-session';
import { Workplace } from '../../support/make-notebook';
import { CLI, ROOT } from '../../support/paths';

/** A cell that starts a child for each way of starting one; their process ids go to the file `children`. */
const STARTING = `import cp from 'node:child_process'; import fs from 'node:fs';
const ways: cp.SpawnOptions[] = [
  { stdio: 'ignore' },
  { stdio: 'inherit' },
  { stdio: 'ignore', detached: true },
  { stdio: 'inherit', detached: true },
];
const children = ways.map((way) => { const child = cp.spawn('sleep', ['600'], way); child.unref(); return child.pid; });
fs.writeFileSync(process.env.TUNEBOOK_OUTPUT + '/children', children.join(' '));`;

const skip = fs.existsSync('/proc/self/environ') ? false : 'processes are found by /proc';

describe('processes that cells start', { timeout: 120_000, skip }, () => {
  const place = new Workplace();
  after(() => place.remove());
  const children = (folder: string): number[] =>
    fs.readFileSync(path.join(folder, 'children'), 'utf8').split(' ').map(Number);

  const ends: [string, string, string][] = [
    ['goes through', '1', 'ok'],
    ['fails', 'throw new Error("no")', 'error'],
    ['calls process.exit', 'process.exit(0)', 'kernel-died'],
    ['is killed', 'process.kill(process.pid, "SIGKILL"); await new Promise(() => {})', 'kernel-died'],
  ];
  for (const [i, [how, code, status]] of ends.entries())
    it(`are gone when the run ${how}, and the run does not wait for them`, async () => {
      const notebook = place.write(`end-${i}.ipynb`, [STARTING, code]);
      const output = place.file(`end-${i}/out.ipynb`);
      const result = await runNotebook({ notebook, output });
      assert.equal(result.status, status, result.message);
      const pids = children(path.dirname(output));
      assert.equal(pids.length, 4);
      for (let n = 0; n < 100 && pids.some(isRunning); n++) await sleep(50);
      assert.deepEqual(pids.filter(isRunning), []);
    });

  it('leave no timer behind: a program whose kernel is shut down can end at once', () => {
    const client = path.join(ROOT, '.build', 'lib', 'notebook', 'client', 'kernel-client.js');
    const program = `require(${JSON.stringify(client)}).KernelClient.start({ cwd: '.' }).then(async (kernel) => {
      await new Promise((resolve) => setTimeout(resolve, 300));
      await kernel.shutdown();
      console.log(process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length);
    });`;
    const { stdout, stderr } = spawnSync(process.execPath, ['-e', program], {
      cwd: place.folder,
      encoding: 'utf8',
    });
    assert.equal(stdout, '0\n', stderr);
  });

  it('are gone when the runner itself is killed', async () => {
    const notebook = place.write('killed.ipynb', [STARTING, 'console.log("started"); for (;;);']);
    const runner = spawn(process.execPath, [CLI, 'run', notebook], {
      cwd: place.folder,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let out = '';
    runner.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
    for (let n = 0; n < 600 && !/^started$/m.test(out); n++) await sleep(50);
    const pids = children(place.file('outputs/killed'));
    assert.ok(pids.every(isRunning));
    runner.kill('SIGKILL');
    for (let n = 0; n < 400 && pids.some(isRunning); n++) await sleep(50);
    assert.deepEqual(pids.filter(isRunning), []);
  });
});
