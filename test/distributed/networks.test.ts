/**
 * Training on two machines, which are network namespaces here: the same bytes as on one, and the counters of the virtual
 * cards say that the gradients went over them. With TUNEBOOK_LONG_TESTS=1.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { LONG } from '../support/long';
import { FAMILIES, finished, MAIN, skipWithout } from './mpi';
import { assertTrained, rankRequest } from './trained-ranks';
import { networkVariables, twoNetworks } from './two-networks';

const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-networks-'));
after(() => fs.rmSync(temporary, { recursive: true, force: true }));

for (const family of FAMILIES)
  test(
    `${family}: two ranks on two machines train as one, over the network`,
    { skip: skipWithout(family) || LONG.skip },
    async (t) => {
      const networks = twoNetworks(temporary);
      if (networks === undefined)
        return t.skip('needs root, iproute2 and the right to make network namespaces');
      try {
        const hosts = path.join(temporary, `${family}-hosts`);
        fs.writeFileSync(hosts, networks.hosts.map((host) => `${host}\n`).join(''));
        const folder = path.join(temporary, family);
        const launch = [MAIN, 'launch', '--hostfile', hosts, '--mpi', family, '--', process.execPath];
        const program = [path.join(__dirname, 'training-rank.js'), rankRequest(folder)];
        const [command, ...words] = networks.onFirst([process.execPath, ...launch, ...program]);
        const before = networks.sentBytes();
        const end = await finished(command, words, { env: networkVariables(family, networks) });
        const sent = networks.sentBytes().map((bytes, i) => bytes - before[i]);
        await assertTrained(end, folder, [0, 0]);
        // Four steps of 40,000 gradients, of four bytes each, and the weights as the run starts.
        for (const bytes of sent) assert.ok(bytes > 4 * 4 * 40_000, `${bytes} bytes`);
      } finally {
        networks.remove();
      }
    },
  );
