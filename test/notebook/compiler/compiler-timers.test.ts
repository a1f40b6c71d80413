/** The compiler's timers, and what they are for: files and packages that appear while a kernel runs. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import type { System } from '@tslab/typescript-for-tslab';
import { shareTimer } from '../../../lib/notebook/compiler/compiler-timers';
import { SearchedFolders } from '../../../lib/notebook/compiler/searched-folders';
import { Session } from '../kernel/kernel-session';
import { Workplace } from '../../support/make-notebook';

describe("the compiler's timers", { timeout: 60_000 }, () => {
  const place = new Workplace();
  after(() => place.remove());

  it("share tslab's one slot, run together, and can be cleared", () => {
    let one: (() => void) | null = null;
    const arm = (task: () => void): void => {
      assert.equal(one, null, 'tslab throws at a second timer');
      one = task;
    };
    const system = { setTimeout: arm } as unknown as System;
    shareTimer(system);
    const { setTimeout: later, clearTimeout: clear } = system as Required<System>;
    const ran: string[] = [];
    const add = (name: string, then?: string): unknown =>
      later(
        (text: string) => {
          ran.push(text);
          if (then !== undefined) add(then);
        },
        250,
        name,
      );
    const fire = (): void => {
      const task = one as (() => void) | null;
      assert.ok(task, 'tslab throws where no timer is set');
      task();
      one = null;
    };
    add('look again', 'compile anew');
    clear(add('cleared'));
    add('compile');
    fire();
    assert.deepEqual(ran, ['look again', 'compile', 'compile anew']);
    clear(add('cleared'));
    add('after');
    fire();
    assert.deepEqual(ran.slice(3), ['after']);
  });

  it('no folder is watched: failed lookups are repeated on request', () => {
    const watched: string[] = [];
    const system = { watchDirectory: (folder: string) => watched.push(folder) } as unknown as System;
    const folders = new SearchedFolders();
    folders.serve(system);
    const seen: string[] = [];
    const watch = (folder: string): { close(): void } =>
      (system as Required<System>).watchDirectory(folder, (name) => seen.push(name), true);
    const first = watch('/work/node_modules');
    watch('/work');
    folders.lookAgain();
    first.close();
    folders.lookAgain();
    assert.deepEqual(seen, ['/work/node_modules', '/work', '/work']);
    assert.deepEqual(watched, []);
  });

  it('a module or package that is written after its import has failed is found, and no cell fails of it', async (t) => {
    const session = await Session.start(place.folder);
    t.after(() => session.kernel.shutdown());
    const run = async (code: string): Promise<string> => {
      const { status, reply, text } = await session.run(code);
      return status === 'ok' ? text : String(reply.evalue);
    };
    const write = (file: string, content: string, code: string): Promise<string> => {
      fs.mkdirSync(path.dirname(place.file(file)), { recursive: true });
      fs.writeFileSync(place.file(file), content);
      return run(code);
    };
    const local = 'import { late } from "./late"; console.log(late);';
    const foreign = 'import { word } from "late-package"; console.log(word);';
    assert.match(await run(local), /Cannot find module/);
    assert.equal(await write('late.ts', 'export const late: number = 1;', local), '1\n');
    assert.match(await run(foreign), /Cannot find module/);
    const folder = 'node_modules/late-package';
    assert.equal(await write(`${folder}/index.js`, 'exports.word = "here";', foreign), 'here\n');
    const manifest = JSON.stringify({ name: 'late-package', version: '1.0.0' });
    assert.equal(await write(`${folder}/package.json`, manifest, foreign), 'here\n');
  });
});
