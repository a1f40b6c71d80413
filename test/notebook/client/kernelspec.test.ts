/** `tunebook kernel`: where kernelspecs are written, what Jupyter finds of them, what is listed and removed. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import {
  installKernel,
  kernelsFolder,
  kernelsFolders,
  listKernels,
  uninstallKernel,
} from '../../../lib/notebook/client/kernelspec';
import type { KernelPlace } from '../../../lib/notebook/client/kernelspec';
import { KernelClient } from '../../../lib/notebook/client/kernel-client';
import { Workplace } from '../../support/make-notebook';
import { CLI } from '../../support/paths';
const python = ['python3', '/usr/bin/python3'].find(
  (command) => spawnSync(command, ['-c', 'import jupyter_client']).status === 0,
);

describe('kernelspec', { timeout: 60_000 }, () => {
  const place = new Workplace();
  after(() => place.remove());
  const env = { HOME: place.file('home'), PATH: process.env.PATH };
  const spec = (folder: string): Record<string, unknown> =>
    JSON.parse(fs.readFileSync(path.join(folder, 'kernel.json'), 'utf8')) as Record<string, unknown>;
  const writeSpec = (name: string, text: string): string => {
    const folder = path.join(place.file('others/share/jupyter/kernels'), name);
    fs.mkdirSync(folder, { recursive: true });
    fs.writeFileSync(path.join(folder, 'kernel.json'), text);
    return folder;
  };

  const places: Record<string, [KernelPlace, folder: string]> = {
    user: [{ kind: 'user' }, 'home/.local/share/jupyter/kernels/tunebook'],
    prefix: [{ kind: 'prefix', prefix: place.file('venv') }, 'venv/share/jupyter/kernels/tunebook'],
    system: [{ kind: 'system', root: place.file('image') }, 'image/usr/local/share/jupyter/kernels/tunebook'],
  };
  const posix = { skip: process.platform !== 'linux' && 'the folders are those of Linux' };
  for (const [name, [where, expected]] of Object.entries(places))
    it(`of the ${name} is written, found by Jupyter, and removed without its neighbours`, posix, () => {
      const folder = installKernel(where, env);
      assert.equal(folder, place.file(expected));
      assert.equal(installKernel(where, env), folder, 'a second time replaces it');
      const { argv, ...rest } = spec(folder);
      assert.deepEqual(rest, {
        display_name: 'TypeScript (tunebook)',
        language: 'typescript',
        interrupt_mode: 'message',
        metadata: { debugger: false },
      });
      // Plotly beside it, for interactive figures, and nothing half written.
      assert.deepEqual(fs.readdirSync(folder).sort(), ['kernel.json', 'plotly.js']);
      assert.ok(fs.statSync(path.join(folder, 'plotly.js')).size > 1_000_000);
      const files = (argv as string[]).filter((part) => path.isAbsolute(part));
      assert.ok(files.length === 2 && files.every((file) => fs.existsSync(file)), String(argv));
      assert.equal((argv as string[]).at(-1), '{connection_file}');

      const neighbour = path.join(path.dirname(folder), 'other');
      fs.cpSync(folder, neighbour, { recursive: true });
      if (python !== undefined) {
        const list =
          'import json; from jupyter_client.kernelspec import KernelSpecManager; print(json.dumps(KernelSpecManager().find_kernel_specs()))';
        const { stdout, stderr } = spawnSync(python, ['-c', list], {
          env: { ...env, JUPYTER_PATH: path.dirname(path.dirname(folder)) },
          encoding: 'utf8',
        });
        const found = JSON.parse(stdout || `"${stderr}"`) as Record<string, string>;
        assert.equal(found.tunebook, folder);
      }
      assert.equal(uninstallKernel(where, env), folder);
      assert.equal(uninstallKernel(where, env), undefined);
      assert.deepEqual(fs.readdirSync(path.dirname(folder)), ['other']);
    });

  it("is placed where the environment says, and searched for in Jupyter's order", posix, () => {
    assert.equal(kernelsFolder({ kind: 'system' }), '/usr/local/share/jupyter/kernels');
    assert.equal(kernelsFolder({ kind: 'user' }, { JUPYTER_DATA_DIR: '/j' }), '/j/kernels');
    assert.equal(kernelsFolder({ kind: 'user' }, { XDG_DATA_HOME: '/x' }), '/x/jupyter/kernels');
    const folders = kernelsFolders({ HOME: '/h', JUPYTER_PATH: '/a::/b', VIRTUAL_ENV: '/v' }, '/p');
    assert.deepEqual(folders, [
      '/a/kernels',
      '/b/kernels',
      '/h/.local/share/jupyter/kernels',
      '/p/share/jupyter/kernels',
      '/v/share/jupyter/kernels',
      '/usr/local/share/jupyter/kernels',
      '/usr/share/jupyter/kernels',
    ]);
    if (python === undefined) return;
    const jupyter = spawnSync(
      python,
      [
        '-c',
        'from jupyter_client.kernelspec import KernelSpecManager; print(*KernelSpecManager().kernel_dirs)',
      ],
      { env: { ...env, JUPYTER_PATH: '/a:/b' }, encoding: 'utf8' },
    ).stdout.split(/\s/);
    const ours = kernelsFolders({ ...env, JUPYTER_PATH: '/a:/b' });
    assert.deepEqual(
      ours,
      jupyter.filter((folder) => ours.includes(folder)),
    );
  });

  it('that cannot be started is listed with the reason', () => {
    const argv = [process.execPath, '--flag', '/no/kernel.js'];
    const missing = JSON.stringify({ argv, display_name: 'Gone' });
    writeSpec('1-broken', '{"argv": [');
    writeSpec('2-empty', '{}');
    writeSpec('3-gone', missing);
    writeSpec('4-program', '{"argv": ["no-such-program-here", "-m", "x"], "display_name": "P"}');
    writeSpec('5-path', '{"argv": ["node", "-e", "1"], "display_name": "N"}');
    fs.mkdirSync(path.join(place.file('others/share/jupyter/kernels'), 'no-kernel'));
    const prefix = place.file('others');
    const own = installKernel({ kind: 'prefix', prefix }, env);
    const kernels = listKernels([kernelsFolder({ kind: 'prefix', prefix }), place.file('absent')], env);
    const text = kernels.map(({ name, displayName, problem }) => `${name} ${displayName}: ${problem}`).sort();
    assert.match(text[0], /^1-broken : kernel\.json cannot be read: /);
    assert.deepEqual(text.slice(1), [
      '2-empty : kernel.json names no program',
      '3-gone Gone: /no/kernel.js is missing',
      '4-program P: no-such-program-here is missing',
      '5-path N: undefined',
      'tunebook TypeScript (tunebook): undefined',
    ]);
    const { stdout, status } = spawnSync(process.execPath, [CLI, 'kernel', 'list', '--prefix', prefix], {
      env,
      encoding: 'utf8',
    });
    assert.equal(status, 0);
    assert.ok(stdout.includes(`${own}\n`), stdout);
    assert.match(stdout, /3-gone {10} Gone {24} \S+3-gone {2}\(\/no\/kernel\.js is missing\)/);
  });

  it('of the same name that starts something else is not removed', () => {
    const prefix = place.file('others');
    for (const [text, message] of [
      ['{"argv": ["node", "other.js"]}', /starts another program \(node other\.js\); remove it by hand/],
      ['{"argv": [', /cannot be read/],
    ] as const) {
      const folder = writeSpec('tunebook', text);
      assert.throws(() => uninstallKernel({ kind: 'prefix', prefix }, env), message);
      assert.ok(fs.existsSync(folder));
    }
  });

  it('that cannot be written is reported, by the command too', () => {
    fs.writeFileSync(place.file('file'), '');
    const prefix = place.file('file');
    assert.throws(
      () => installKernel({ kind: 'prefix', prefix }, env),
      /^TunebookError: kernel install: cannot write .*ENOTDIR/,
    );
    const call = (...args: string[]): { status: number | null; out: string } => {
      const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, 'kernel', ...args], {
        env,
        encoding: 'utf8',
      });
      return { status, out: stdout + stderr };
    };
    const refused = call('install', '--prefix', prefix);
    assert.equal(refused.status, 1);
    assert.match(refused.out, /^kernel install: cannot write [^\n]*\n$/);
    const folder = place.file('typed/share/jupyter/kernels/tunebook');
    assert.equal(call('install', '--prefix', place.file('typed')).out, `Installed in ${folder}\n`);
    assert.equal(call('uninstall', '--prefix', place.file('typed')).out, `Removed ${folder}\n`);
    assert.equal(call('uninstall', '--prefix', place.file('typed')).out, 'There is none.\n');
  });

  it('starts the kernel', async () => {
    const folder = installKernel({ kind: 'prefix', prefix: place.file('venv') }, env);
    const kernel = await KernelClient.start({ cwd: place.folder, argv: spec(folder).argv as string[] });
    assert.equal((await kernel.execute('1').done).content.status, 'ok');
    await kernel.shutdown();
  });
});
