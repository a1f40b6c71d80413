/** What a comparison says of answers that differ, and what the command does with an export that is too far off. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import { agreementWords, compareAnswers, isWithin } from '../../lib/export/proof/agreement';
import type { Responder } from '../../lib/export/proof/responder';
import { AutoModelForCausalLM, savePretrained } from '../../lib/pretrained';
import { AutoTokenizer } from '../../lib/tokenizer';
import { assertClose } from '../support/assert-close';
import { CLI } from '../support/paths';
import { temporaryFolder } from '../support/temporary-folder';

const END = 0;

/** Answers by a table: the probabilities [4] after a prompt of one token and each answered token. */
function responder(rows: readonly (readonly number[])[], promptIds = [1]): Responder {
  const best = (row: readonly number[]): number => row.indexOf(Math.max(...row));
  return {
    name: 'table',
    promptIds: async () => promptIds,
    answer: async (_ids, maxNewTokens) => {
      const answer = rows.slice(0, maxNewTokens).map(best);
      return answer.includes(END) ? answer.slice(0, answer.indexOf(END)) : answer;
    },
    logProbabilities: async (ids, positions) =>
      Array.from({ length: positions }, (_, i) => {
        const row = rows[Math.min(rows.length - 1, ids.length - positions + i)];
        return Float32Array.from(row, Math.log);
      }),
  };
}

const SURE = [0.01, 0.97, 0.01, 0.01];
const TIE = [0.1, 0.1, 0.405, 0.395];
/** The other of the two first, as a file's rounding makes it. */
const TIED = [0.1, 0.1, 0.395, 0.405];
const OVER = [0.97, 0.01, 0.01, 0.01];

describe('answers that differ', () => {
  const cases: readonly {
    title: string;
    there: readonly (readonly number[])[];
    sameTokens: number;
    margin: number;
  }[] = [
    { title: 'a tie', there: [SURE, TIED, OVER], sameTokens: 1, margin: 0.405 / 0.395 },
    { title: 'another token', there: [[0.01, 0.01, 0.97, 0.01], TIE, OVER], sameTokens: 0, margin: 97 },
    { title: 'an end too early', there: [SURE, [0.7, 0.1, 0.1, 0.1], OVER], sameTokens: 1, margin: 4.05 },
    {
      ...{ title: 'an end too late', there: [SURE, TIE, [0.2, 0.2, 0.2, 0.4]], sameTokens: 2 },
      margin: 97,
    },
  ];
  for (const { title, there, sameTokens, margin } of cases) {
    it(`${title}: where they part, and by how much`, async () => {
      const here = responder([SURE, TIE, OVER]);
      const agreement = await compareAnswers(here, responder(there), { prompts: ['x'], maxNewTokens: 3 });
      assert.equal(agreement.sameAnswers, 0);
      const [found] = agreement.differing;
      assert.equal(found.sameTokens, sameTokens);
      assertClose(
        [found.margin, agreement.largestMargin],
        [Math.log(margin), Math.log(margin)],
        {
          ...{ absolute: 1e-5, relative: 0 },
        },
        'margins',
      );
      const isTie = title === 'a tie';
      assert.equal(agreement.tiedAnswers, isTie ? 1 : 0);
      const words = isTie
        ? '0 of 1 answers the same (1 part at a tie of up to 0.05 nats), '
        : `0 of 1 answers the same (1 part where tunebook's token is up to ${found.margin.toPrecision(2)} nats likelier), `;
      assert.ok(agreementWords(agreement).includes(words), agreementWords(agreement));
    });
  }

  it('counts, divergence and top-1 agreement', async () => {
    const here = responder([SURE, TIE, OVER]);
    const there = responder([SURE, TIED, OVER], [2]);
    const agreement = await compareAnswers(here, there, { prompts: ['x', 'y'], maxNewTokens: 3 });
    assert.deepEqual(
      [agreement.prompts, agreement.sameTokens, agreement.positions, agreement.sameTop],
      [2, 0, 6, 2 / 3],
    );
    const kl = 0.405 * Math.log(0.405 / 0.395) + 0.395 * Math.log(0.395 / 0.405);
    assertClose(
      [agreement.maxKl, agreement.meanKl],
      [kl, kl / 3],
      { absolute: 1e-6, relative: 0 },
      'divergence',
    );
    const near = { meanKl: 0.01, sameTop: 0.6 };
    assert.equal(isWithin(agreement, near), false, 'prompts that are read as other tokens');
    assert.equal(isWithin({ ...agreement, sameTokens: 2 }, near), true);
    assert.equal(isWithin({ ...agreement, sameTokens: 2 }, { ...near, sameTop: 0.7 }), false);
    assert.equal(isWithin({ ...agreement, sameTokens: 2 }, { ...near, meanKl: 1e-5 }), false);
  });
});

it('an export too far from its model: status 1, its files and the report stay and say so', async (t) => {
  const folder = await temporaryFolder(t);
  // Weights so large that 4 bits are another model.
  const model = await AutoModelForCausalLM.fromConfig(
    { model_type: 'gpt2', n_embd: 32, n_layer: 1, n_head: 2, n_positions: 64, initializer_range: 2 },
    { seed: 3 },
  );
  await savePretrained(model, path.join(folder, 'model'));
  await model.dispose();
  await (await AutoTokenizer.fromPretrained('gpt2')).savePretrained(path.join(folder, 'model'));
  const args = ['--to', 'onnx', '-t', 'q4', '-o', 'out', '-c', '2', '-n', '4'];
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, 'export', 'model', ...args], {
    ...{ cwd: folder, encoding: 'utf8', env: { ...process.env, TUNEBOOK_PROVIDER: 'cpu' } },
  });
  assert.equal(status, 1, stderr);
  assert.match(stdout, /answers otherwise than the model\. Take a larger type\./);
  assert.ok((await fs.stat(path.join(folder, 'out/onnx/model_q4.onnx'))).size > 0);
  const report = JSON.parse(await fs.readFile(path.join(folder, 'out/export-report.json'), 'utf8')) as Record<
    string,
    { isProven: boolean; words: string[]; agreement: { prompts: number; differing: unknown[] } }
  >;
  const { isProven, words, agreement } = report['model_q4.onnx'];
  assert.equal(isProven, false);
  assert.ok(stdout.includes(words.join('\n')));
  assert.deepEqual(agreement.differing, [], 'prompts are nobody else’s business');
});
