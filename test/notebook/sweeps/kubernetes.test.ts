/** Sweeps on Kubernetes: what is written is valid by the schemas that Kubernetes publishes (package kubernetes-models). */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { addSubmission, jobName, jobSettings, writeJob, writeSweepFile } from '../../../lib/notebook/sweeps';
import { jobDocuments } from '../../../lib/notebook/sweeps/kubernetes';
import type { JobRequest } from '../../../lib/notebook/sweeps/kubernetes';
import { Workplace } from '../../support/make-notebook';

const place = new Workplace();
after(() => place.remove());

interface Validated {
  validate(): void;
}
type Kinds = Record<string, new (document: unknown) => Validated>;

/** Its own types would cost each build seconds. */
async function kindsOf(group: string): Promise<Kinds> {
  return (await import(`kubernetes-models/${group}`)) as Kinds;
}

function request(): JobRequest {
  const notebook = place.write('points.ipynb', [
    '@parameters\nconst rate: number = 1;',
    'console.log(`${rate}: "x"`);',
  ]);
  const folder = place.file('My_Sweep');
  const sweepFile = writeSweepFile({
    notebook,
    folder,
    grid: { rate: ['1', '2', '3'] },
    limits: { timeoutMs: 60_000 },
  });
  const submission = addSubmission(folder, { executor: 'k8s', points: [0, 2] });
  const settings = jobSettings({ image: 'registry/tunebook:1', namespace: 'ml', gpu: '1', cpu: '4' });
  return { folder, sweepFile, submission, settings, jobs: 5 };
}

test('an Indexed Job with its files and volume, valid by the published schemas', async () => {
  const whole = request();
  const documents = parseAllDocuments(fs.readFileSync(writeJob(whole), 'utf8')).map(
    (document) => document.toJS() as { kind: string; spec: Record<string, unknown> },
  );
  const kinds = { ...(await kindsOf('v1')), ...(await kindsOf('batch/v1')) };
  for (const document of documents) new kinds[document.kind](document).validate();
  assert.deepEqual(
    documents.map(({ kind }) => kind),
    ['ConfigMap', 'PersistentVolumeClaim', 'Job'],
  );
  const [config, , job] = documents as unknown as [
    { data: Record<string, string> },
    unknown,
    { spec: Record<string, unknown> },
  ];
  const points = (name: string): unknown[] => (JSON.parse(config.data[name]) as { points: unknown[] }).points;
  assert.equal(points('sweep-points.json').length, 3);
  assert.deepEqual(points('submission.json'), [0, 2]);
  const { completions, parallelism, completionMode, backoffLimitPerIndex, podFailurePolicy } = job.spec;
  assert.deepEqual([completions, parallelism, completionMode, backoffLimitPerIndex], [2, 2, 'Indexed', 3]);
  assert.deepEqual(podFailurePolicy, {
    rules: [
      { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
      { action: 'FailIndex', onExitCodes: { containerName: 'point', operator: 'In', values: [1, 2] } },
    ],
  });
  // The schemas see a fault.
  const wrong = { ...job, spec: { ...job.spec, completions: 'two' } };
  assert.throws(() => new kinds.Job(wrong).validate(), /completions must be integer/);
});

test('names that Kubernetes takes, settings that are none, a notebook that is too large', () => {
  assert.equal(jobName('/x/My_Sweep', 'k8s-1'), 'my-sweep-k8s-1');
  assert.match(jobName('/x/0123-ü', 'k8s-1'), /^[a-z][a-z0-9-]*$/);
  assert.throws(() => jobSettings({}), /expected --k8s image=NAME, got none/);
  assert.throws(() => jobSettings({ image: 'x', gpus: '1' }), /expected --k8s image, .*got gpus/);
  const whole = request();
  fs.writeFileSync(path.join(whole.folder, whole.sweepFile.notebook), 'x'.repeat(1 << 20));
  assert.throws(
    () => jobDocuments(whole),
    /at most 1 MiB, Kubernetes' limit of a ConfigMap, got \d{7} bytes/,
  );
});
