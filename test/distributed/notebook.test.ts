/**
 * A notebook on two ranks: rank 0 writes it, the other a log, and whatever ends one ends both. One of each kind runs
 * always, the rest with TUNEBOOK_LONG_TESTS=1.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, test } from 'node:test';
import type { CellResult } from '../../lib/notebook/run';
import { readNotebook } from '../../lib/notebook/format';
import { LONG } from '../support/long';
import { makeNotebook, Workplace } from '../support/make-notebook';
import { writeNotebook } from '../../lib/notebook/format/nbformat';
import { FAMILIES, launchRanks, MAIN, skipWithout } from './mpi';
import type { RanksEnd } from './mpi';
import type { MpiFamily } from '../../lib/distributed';

const place = new Workplace();
after(() => place.remove());

/** Cells that import nothing, which would take the compiler seconds: the kernel has joined the ranks already. */
const CELLS = [
  "@parameters\nconst how: string = 'well';\nconst victim: number = 1;\nconst twice: number = 2;",
  `const group = (globalThis as any)[Symbol.for('tunebook.processGroup')];
const folder = process.env.TUNEBOOK_OUTPUT + '/';
const fs = require('node:fs');
fs.writeFileSync(folder + 'rank.txt', String(group.rank));`,
  `const values = Float32Array.of(twice * (group.rank + 1));
await group.allReduce(values);
console.log('the sum is', values[0]);`,
  `const isFirst = process.env.TUNEBOOK_RESUME !== '1';
if (isFirst && group.rank === victim) {
  if (how === 'throw') throw new Error('this rank fell');
  if (how === 'kill') process.kill(process.pid, 'SIGKILL');
  if (how === 'exit') process.exit(0);
}
if (how === 'wait') { console.log('waiting'); await new Promise((r) => setTimeout(r, 60_000)); }
await group.barrier();
console.log('past the barrier');`,
];
writeNotebook(place.file('ranks.ipynb'), makeNotebook(CELLS));

function run(
  family: MpiFamily,
  name: string,
  words: readonly string[],
  onOutput?: Parameters<typeof launchRanks>[0]['onOutput'],
): Promise<RanksEnd> {
  const output = place.file(`${name}/ranks.ipynb`);
  const command = ['run', place.file('ranks.ipynb'), '-o', output, ...words];
  return launchRanks({ family, program: '', command, onOutput });
}

interface Executed {
  readonly status: string;
  readonly cells: readonly CellResult[];
  readonly text: string;
}

function executed(name: string): Executed {
  const notebook = readNotebook(place.file(`${name}/ranks.ipynb`));
  const { status, cells } = notebook.metadata.tunebook as Pick<Executed, 'status' | 'cells'>;
  return { status, cells, text: JSON.stringify(notebook.cells) };
}

const logOf = (name: string): string => fs.readFileSync(place.file(`${name}/ranks.rank1.log`), 'utf8');

for (const family of FAMILIES) {
  const skip = skipWithout(family);
  test(
    `${family}: rank 0 writes the notebook, the other a log, both have the same parameters`,
    { skip: skip || (family === 'mpich' ? false : LONG.skip) },
    async () => {
      const end = await run(family, family, ['-p', 'twice=20']);
      assert.equal(end.code, 0, end.output);
      assert.deepEqual(fs.readdirSync(place.file(family)).sort(), [
        'rank.txt',
        'ranks.ipynb',
        'ranks.rank1.log',
      ]);
      assert.equal(fs.readFileSync(place.file(`${family}/rank.txt`), 'utf8'), '0');
      const { status, cells, text } = executed(family);
      assert.deepEqual([status, cells.length], ['ok', 5]);
      for (const said of [text, logOf(family)]) {
        assert.match(said, /the sum is 60/);
        assert.match(said, /past the barrier/);
      }
      assert.match(logOf(family), /^ok$/m);
      assert.equal(end.output.match(/the sum is 60/g)?.length, 1, end.output);
    },
  );

  const ends: [how: string, victim: number, words: RegExp][] = [
    ['throw', 1, /rank 1 of 2: error: .*this rank fell/],
    ['throw', 0, /this rank fell/],
    ['kill', 1, /rank 1 of 2: kernel-died|process rank 1 |2 of 2 ranks were killed/],
    ['exit', 1, /rank 1 of 2/],
  ];
  for (const [how, victim, words] of ends)
    test(
      `${family}: rank ${victim} ends a cell by ${how}; all end, and the notebook goes on by --resume`,
      { skip: skip || LONG.skip },
      async () => {
        const name = `${family}-${how}-${victim}`;
        const given = ['-p', `how=${how}`, '-p', `victim=${victim}`];
        const end = await run(family, name, given);
        assert.ok(end.code !== 0 && end.code !== null, end.output);
        assert.match(end.output, words);
        assert.ok(['running', 'error', 'interrupted', 'kernel-died'].includes(executed(name).status));
        const again = await run(family, name, [...given, '--resume']);
        assert.equal(again.code, 0, again.output);
        const { status, cells, text } = executed(name);
        assert.deepEqual([status, cells.length], ['ok', 5]);
        assert.match(text, /past the barrier/);
      },
    );

  test(
    `${family}: SIGTERM to the launcher interrupts the cell on all ranks`,
    { skip: skip || LONG.skip },
    async () => {
      const name = `${family}-term`;
      let sent = false;
      const end = await run(family, name, ['-p', 'how=wait'], (text, launcher) => {
        if (!sent && /waiting/.test(text)) sent = launcher.kill('SIGTERM');
      });
      assert.equal(end.code, 143, end.output);
      assert.equal(executed(name).status, 'interrupted');
      assert.match(logOf(name), /interrupted/);
    },
  );

  /** Both ranks run a notebook, rank 1 another one. */
  const runApart = (other: string): Promise<RanksEnd> => {
    const script = `const { spawnSync } = require('node:child_process');
      const rank = process.env.OMPI_COMM_WORLD_RANK ?? process.env.PMI_RANK;
      const stdio = ['ignore', 'inherit', 'inherit', ...Array(30).fill('ignore')];
      const fd = Number(process.env.PMI_FD); if (fd) stdio[fd] = fd;
      const file = rank === '1' ? ${JSON.stringify(other)} : ${JSON.stringify(place.file('ranks.ipynb'))};
      const words = [${JSON.stringify(MAIN)}, 'run', file, '-o', ${JSON.stringify(place.file(`${family}-o/x.ipynb`))}];
      process.exitCode = spawnSync(process.execPath, words, { stdio }).status;`;
    return launchRanks({ family, program: '', command: [process.execPath, '-e', script] });
  };
  test(`${family}: a rank with other cells is refused`, { skip: skip || LONG.skip }, async () => {
    const other = place.file(`${family}-other.ipynb`);
    writeNotebook(other, makeNotebook([...CELLS, 'console.log(1)']));
    const end = await runApart(other);
    assert.match(String(end.code), /^(1|86)$/, end.output);
    assert.match(end.output, /rank 1 has others than rank 0/);
  });

  test(
    `${family}: a rank that cannot begin ends all`,
    { skip: skip || LONG.skip, timeout: 60_000 },
    async () => {
      const end = await runApart(place.file('missing.ipynb'));
      assert.ok(end.code !== 0 && end.code !== null, end.output);
      assert.match(end.output, /missing\.ipynb/);
    },
  );
}

test('two notebooks, or a pipe, cannot be shared by ranks', { skip: skipWithout('mpich') }, async () => {
  const file = place.file('ranks.ipynb');
  const end = await launchRanks({ family: 'mpich', program: '', command: ['run', file, '-o', '-'] });
  assert.equal(end.code, 2, end.output);
  assert.match(end.output, /expected one notebook in a file for 2 ranks/);
});
