/** URLs where a path is taken: `-o s3://...` wrote a local folder called `s3:`. Every door refuses them. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { writeCheckpoint } from '../../lib/checkpoint';
import { loadRecords, loadSplits, saveSplits } from '../../lib/dataset';
import { saveFigure } from '../../lib/display';
import { requireLocalPath, writeFileAtomic, writeFileAtomicSync } from '../../lib/files';
import { resolveModelFolder } from '../../lib/hub';
import { buildDataset, readMapping, readRaces, writeJsonLines } from '../../lib/hyrox';
import { projectPath, runFolder, runNotebook } from '../../lib/notebook';
import { AutoTokenizer } from '../../lib/tokenizer';
import { Trainer, TrainingArguments } from '../../lib/trainer';
import { CLI, ROOT } from '../support/paths';
import { examples, smallModel } from '../trainer/small-model';

const table = path.join(ROOT, 'data', 'hyrox', 'hyrox-sample.csv');
const notebook = path.join(ROOT, 'notebooks', '01-gpt2-finetuning.ipynb');
const splits = { train: [], validation: [], test: [] };
const tensors = [{ name: 'a', dtype: 'F32' as const, shape: [1], values: new Float32Array(1) }];

describe('paths, and what only looks like one', () => {
  for (const url of ['s3://bucket/run', 'https://example.com/a.csv', 'gs://b', 'hf://datasets/a/b', 'C+d:/x'])
    it(`${url} is none, nor joined or resolved`, () => {
      for (const given of [url, path.join('/tmp', url), path.resolve(url, 'x'), path.normalize(url)])
        assert.throws(() => requireLocalPath(given, '-o'), {
          name: 'TunebookError',
          message: /^-o: expected a path on this machine, got .*Copy from and to \S+:\/\/ with its own tool/,
        });
    });
  it('file:// gets its own advice', () => {
    assert.throws(() => requireLocalPath('file:///tmp/a'), /got file:\/\/\/tmp\/a\. Leave out file:\/\/\./);
  });
  for (const given of [
    'C:\\runs\\a',
    'd:/runs',
    'run:1/a.json',
    'a:b',
    'openai-community/gpt2',
    '12:30/x',
    '',
    '-',
  ])
    it(`${JSON.stringify(given)} is one`, () => requireLocalPath(given));
});

describe('every door refuses a URL and makes no folder', () => {
  const home = process.cwd();
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-urls-'));
  before(() => process.chdir(folder));
  after(() => {
    process.chdir(home);
    fs.rmSync(folder, { recursive: true });
  });

  const url = 's3://bucket/run';
  const doors: Readonly<Record<string, () => unknown>> = {
    writeFileAtomic: () => writeFileAtomic(`${url}/a`, 'x'),
    writeFileAtomicSync: () => writeFileAtomicSync(`${url}/a`, 'x'),
    loadRecords: () => loadRecords('https://example.com/a.jsonl'),
    saveSplits: () => saveSplits(url, splits),
    loadSplits: () => loadSplits(url),
    writeCheckpoint: () => writeCheckpoint(url, tensors),
    saveFigure: () => saveFigure({ data: [], layout: {} }, `${url}/a.json`),
    readRaces: () => readRaces(`${url}.csv`),
    readMapping: () => readMapping(url),
    writeJsonLines: () => writeJsonLines(url, []),
    'buildDataset, input': () => buildDataset({ input: url, output: 'a.jsonl' }),
    'buildDataset, output': () => buildDataset({ input: table, output: `${url}.jsonl` }),
    projectPath: () => projectPath('https://example.com/a.csv'),
    runFolder: () => runFolder(url),
    'runNotebook, output': () => runNotebook({ notebook, output: `${url}/a.ipynb` }),
    'runNotebook, notebook': () => runNotebook({ notebook: url, output: 'a.ipynb' }),
    model: () => resolveModelFolder('s3://bucket/model'),
    'hub cache': () => resolveModelFolder('owner/name', { cacheDir: url }),
    savePretrained: async () => (await smallModel()).savePretrained(url),
    'tokenizer.savePretrained': async () => (await AutoTokenizer.fromPretrained('gpt2')).savePretrained(url),
    outputDir: async () => {
      const args = new TrainingArguments({ outputDir: url, maxSteps: 1 });
      await new Trainer({ model: await smallModel(), args, trainDataset: examples }).train();
    },
    loggingDir: async () => {
      const args = new TrainingArguments({
        ...{ outputDir: 'run', maxSteps: 1, loggingDir: url, reportTo: ['tensorboard'], preflight: false },
      });
      await new Trainer({ model: await smallModel(), args, trainDataset: examples }).train();
    },
  };
  for (const [name, call] of Object.entries(doors))
    it(name, async () => {
      await assert.rejects(async () => call(), {
        name: 'TunebookError',
        message: /expected a path on this machine, got \S+\. Copy from and to (s3|https):\/\//,
      });
      assert.deepEqual(
        fs.readdirSync(folder).filter((file) => file.includes(':')),
        [],
      );
    });

  it("for a model's page on the hub the error names its id", async () => {
    await assert.rejects(
      resolveModelFolder('https://huggingface.co/openai-community/gpt2/tree/main'),
      /expected a folder or a hub id, got a URL\. Give the id: 'openai-community\/gpt2'/,
    );
  });

  const commands: readonly (readonly string[])[] = [
    ['run', notebook, '-o', `${url}/a.ipynb`],
    ['run', notebook, '--junit', `${url}/a.xml`],
    ['run', 'https://example.com/a.ipynb'],
    ['sweep', notebook, '-g', 'seed=1,2', '-o', url],
    ['dataset', 'build', table, '-o', `${url}.jsonl`],
    ['dataset', 'build', table, '-o', 'a.jsonl', '--report', url],
    ['check', url],
    ['init', url, '--no-install'],
  ];
  for (const args of commands)
    it(`tunebook ${args.map((arg) => arg.replace(`${ROOT}/`, '')).join(' ')}`, () => {
      const { status, stderr } = spawnSync(process.execPath, [CLI, ...args], {
        cwd: folder,
        encoding: 'utf8',
      });
      assert.match(stderr, /expected a path on this machine, got (s3|https):\/\//);
      assert.equal(status, 2);
      assert.deepEqual(
        fs.readdirSync(folder).filter((file) => file.includes(':')),
        [],
      );
    });
});
