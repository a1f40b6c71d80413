/**
 * The process group over real MPI: both families, how ranks die, and the traps of calling MPI from Node.
 */
import assert from 'node:assert/strict';
import os from 'node:os';
import { test } from 'node:test';
import { FAMILIES, launchRanks, runRanks, skipWithout } from './mpi';

interface Hello {
  readonly before: [number, number, boolean];
  readonly rank: number;
  readonly localRank: number;
  readonly library: string;
  readonly sums: number[];
  readonly word: string;
  readonly after: string;
  readonly cores: number;
}

const linesOf = (output: string): Hello[] =>
  output
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Hello)
    .sort((a, b) => a.rank - b.rank);

for (const family of FAMILIES) {
  const skip = skipWithout(family);
  // Asynchronous all-reduces (stack), a clean end after MPI's code ran (pinned library), numbers that come back in
  // buffers of their own, and a launcher whose family is found by itself.
  for (const what of ['collectives', 'grandchild'])
    test(`${family}: collectives in 2 processes, ${what}`, { skip }, async () => {
      const end = await runRanks({ family, program: 'collectives-rank', args: [what] });
      assert.equal(end.code, 0, end.output);
      const ranks = linesOf(end.output);
      assert.deepEqual(
        ranks.map(({ rank, localRank, before }) => [rank, localRank, before]),
        [
          [0, 0, [0, 2, false]],
          [1, 1, [1, 2, false]],
        ],
      );
      for (const { sums, word, after, library } of ranks) {
        assert.deepEqual(sums, [3, 30, 4, 1, 2, 2, 2, 2]);
        assert.equal(word, 'from one');
        assert.match(after, /allReduce: expected a process group, got none/);
        assert.match(library, family === 'openmpi' ? /^Open MPI v\d/ : /^MPICH Version: ?\d/);
      }
    });

  test(`${family}: small arrays that garbage collection moves`, { skip }, async () => {
    const end = await runRanks({ family, program: 'collectives-rank', args: ['garbage'] });
    assert.equal(end.code, 0, end.output);
    assert.equal(end.output.match(/"wrong":0,"kept":2000/g)?.length, 2, end.output);
  });

  // How rank 1 ends, the launcher's status, what is said. Rank 0 waits in an all-reduce.
  const deaths: [how: string, code: RegExp, words: RegExp][] = [
    ['none', /^0$/, /rank 0 done[^]*rank 1 done|rank 1 done[^]*rank 0 done/],
    ['leave', /^0$/, /done/],
    ['exit3', /^3$/, /^/],
    ['exit0', /^86$/, /rank 1 of 2 ended before destroyProcessGroup\(\)/],
    ['throw', /^1$/, /this rank fell/],
    ['kill', family === 'openmpi' ? /^137$/ : /^9$|^137$/, /^/],
    ['abort', /^1$/, /rank 1 of 2: this rank gave up/],
    ['hang', /^1$/, /rank 0 of 2: allReduce of values of step 2 \(collective 3\) has waited/],
  ];
  for (const [how, code, words] of deaths)
    test(`${family}: rank 1 ends by ${how}, and takes the others along`, { skip }, async () => {
      const end = await runRanks({ family, program: 'collectives-rank', args: ['death', how] });
      assert.match(String(end.code), code, end.output);
      assert.match(end.output, words);
      assert.ok(end.milliseconds < 20_000, `${end.milliseconds} ms`);
    });
}

for (const family of FAMILIES)
  test(
    `${family}: each rank may use all cores, and root may launch it`,
    { skip: skipWithout(family) },
    async () => {
      // The variables that let root run Open MPI are the launcher's to set.
      const env = { OMPI_ALLOW_RUN_AS_ROOT: undefined, OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: undefined };
      const end = await launchRanks({ family, program: 'collectives-rank', args: ['collectives'], env });
      assert.equal(end.code, 0, end.output);
      assert.deepEqual(
        linesOf(end.output).map(({ cores }) => cores),
        [os.availableParallelism(), os.availableParallelism()],
      );
    },
  );

const LIBRARIES = { openmpi: 'libmpi.so.40', mpich: 'libmpich.so.12' };
for (const family of FAMILIES) {
  const other = family === 'openmpi' ? 'mpich' : 'openmpi';
  test(
    `${family}'s launcher with ${other}'s library is refused, not two worlds of one`,
    { skip: skipWithout(...FAMILIES) },
    async () => {
      const env = { TUNEBOOK_MPI_LIBRARY: LIBRARIES[other] };
      const end = await runRanks({ family, program: 'collectives-rank', args: ['collectives'], env });
      assert.notEqual(end.code, 0);
      assert.match(end.output, /expected library and launcher of one family, but the launcher is that of/);
    },
  );
}
