/** Nothing to learn: examples whose labels are all -100 gave "loss 0.0000" and a passed preflight. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { AutoTokenizer } from '../../lib/tokenizer';
import { createDataCollator, encodeRecords } from '../../lib/dataset';
import { Trainer, TrainingArguments } from '../../lib/trainer';
import type { EncodedExample } from '../../lib/types';
import { temporaryFolder } from '../support/temporary-folder';
import { examples, run, smallModel } from './small-model';

const masked = ({ inputIds }: EncodedExample): EncodedExample => ({
  inputIds,
  // A label on the first token is no label: nothing comes before it.
  labels: inputIds.map((id, i) => (i === 0 ? id : -100)),
});

function warnings(t: TestContext): string[] {
  const told: string[] = [];
  t.mock.method(console, 'warn', (line: string) => told.push(line));
  return told;
}

describe('labels', () => {
  it('none at all is refused by the trainer and by its preflight, with the likely causes', async (t) => {
    const model = await smallModel();
    const args = new TrainingArguments({ outputDir: await temporaryFolder(t), maxSteps: 1 });
    const make = (trainDataset: EncodedExample[]): Trainer => new Trainer({ model, args, trainDataset });
    assert.throws(() => make(examples.map(masked)), {
      name: 'TunebookError',
      message:
        /^Trainer: expected labels to learn from in trainDataset, got 11 examples whose labels are all -100.*truncation.*template.*empty responses/,
    });
    const cut = examples.map((one) => masked({ ...one, inputIds: one.inputIds.slice(0, 4) }));
    assert.throws(() => make(cut), /truncation \(11 examples have the same 4 tokens: raise maxLength/);
  });

  it('of a token that the model has no row for: refused at once, by the number of the example', async (t) => {
    const model = await smallModel();
    const args = new TrainingArguments({ outputDir: await temporaryFolder(t), maxSteps: 1 });
    const { vocabSize } = model.architecture;
    const odd = { inputIds: [1, vocabSize], labels: [1, vocabSize] };
    const known = new RegExp(`token ids from 0 to ${vocabSize - 1} in `);
    const make = (parts: object): Trainer =>
      new Trainer({
        model,
        args,
        trainDataset: examples,
        dataCollator: createDataCollator({ padTokenId: 0, maxLength: 64 }),
        ...parts,
      });
    for (const [parts, place] of [
      [{ trainDataset: [...examples, odd] }, `in trainDataset, got ${vocabSize} in example 11`],
      [{ evalDataset: { odd: [odd] } }, `in evalDataset \\(eval_odd\\), got ${vocabSize} in example 0`],
      [
        { trainDataset: [{ ...examples[0], rejected: odd }] },
        'in trainDataset, .*example 0.*resizeTokenEmbeddings',
      ],
      [{ trainDataset: [{ inputIds: [-1, 2], labels: [1, 2] }] }, 'got -1 in example 0'],
    ] as const) {
      assert.throws(() => make(parts), { name: 'TunebookError', message: known });
      assert.throws(() => make(parts), { message: new RegExp(place) });
    }
  });

  it('none in the evaluation data is refused before the run, not at its first evaluation', async (t) => {
    const outputDir = await temporaryFolder(t);
    await assert.rejects(
      run({ outputDir }, { evalData: examples.map(masked) }),
      /Trainer: expected labels to learn from in evalDataset \(eval\), got 11 examples/,
    );
  });

  it('a part without any is counted, and the rest learns', async (t) => {
    const told = warnings(t);
    const data = examples.map((one, i) => (i % 5 === 2 ? masked(one) : one));
    const { losses } = await run({ outputDir: await temporaryFolder(t), maxSteps: 2 }, { data });
    assert.ok(losses.every((loss) => loss > 0));
    assert.deepEqual(told, [
      'Trainer: 2 of 11 examples in trainDataset have no label and teach nothing (examples 2, 7). ' +
        'Leave them out, or look for empty or cut responses.',
    ]);
  });

  it('a custom collator may make them', async (t) => {
    const args = new TrainingArguments({ outputDir: await temporaryFolder(t), maxSteps: 1 });
    const dataCollator = (): never => assert.fail('not called');
    new Trainer({ model: await smallModel(), args, trainDataset: examples.map(masked), dataCollator });
  });

  it('records with empty responses are left out and counted; a missing one names its record', async (t) => {
    const told = warnings(t);
    const tokenizer = await AutoTokenizer.fromPretrained('gpt2');
    const records = ['', '   ', 'a4'].map((response, i) => ({ input: `q${i}`, context: '', response }));
    const { examples: kept, report } = encodeRecords(records, { tokenizer });
    assert.equal(kept.length, 1);
    assert.deepEqual(report.sourceIndex, [2]);
    assert.deepEqual(told, [
      'encodeRecords: 2 of 3 records were left out (record 0: the response is empty; record 1: the response is empty).',
    ]);
    assert.throws(
      () => encodeRecords([...records, { input: 'q3' }], { tokenizer }),
      /^TunebookError: encodeRecords, record 3: expected a record like the others \(fields: input \+ response.*got input\./,
    );
  });
});
