/**
 * Sweeps on Kubernetes: YAML for `kubectl apply`, of an Indexed Job with one index a point, a ConfigMap with its files,
 * and the volume that the results go to (kubernetes.io/docs/concepts/workloads/controllers/job).
 */
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import type * as Yaml from 'yaml';
import { TunebookError } from '../../types';
import type { Submission, SweepFile } from './sweep-file';

/** Settings of a Job, from `--k8s name=value`. */
export interface JobSettings {
  readonly image: string;
  readonly namespace?: string;
  /** Name of the PersistentVolumeClaim; default tunebook-sweep. */
  readonly claim: string;
  /** Size of the claim; default 20Gi. */
  readonly storage: string;
  /** Whether several nodes may mount the volume, ReadWriteMany, as several points at a time need; the default. */
  readonly access: string;
  readonly cpu: string;
  readonly memory: string;
  /** NVIDIA GPUs of a point. */
  readonly gpu?: string;
}

const DEFAULTS: Omit<JobSettings, 'image'> = {
  ...{ claim: 'tunebook-sweep', storage: '20Gi', access: 'ReadWriteMany', cpu: '2', memory: '8Gi' },
};
const NAMES = ['image', 'namespace', 'claim', 'storage', 'access', 'cpu', 'memory', 'gpu'];

/** Where pods find the files of the sweep, and leave results. */
const SWEEP_MOUNT = '/sweep';
const RESULTS = '/sweep';
/** Kubernetes' limit of a ConfigMap. */
const MAX_PLAN_BYTES = 1 << 20;
/** Statuses that another try cannot fix: a cell failed, a wrong call. 130 and 143 are tried again. */
const FINAL_STATUSES = [1, 2];
/** Tries of a point whose pod was killed, for lack of memory for instance. */
const RETRIES = 3;
/** From SIGTERM to SIGKILL, in seconds: a step, and a checkpoint. */
const GRACE_SECONDS = 60;

/** @throws {TunebookError} For unknown names, and without an image. */
export function jobSettings(given: Readonly<Record<string, string>>): JobSettings {
  const unknown = Object.keys(given).filter((name) => !NAMES.includes(name));
  if (unknown.length > 0)
    throw new TunebookError(`sweep: expected --k8s ${NAMES.join(', ')}, got ${unknown.join(', ')}.`);
  const { image } = given;
  if (!image)
    throw new TunebookError(
      'sweep: expected --k8s image=NAME, got none. --write-dockerfile writes what to build it from.',
    );
  return { ...DEFAULTS, ...given, image };
}

/** A name that Kubernetes takes for a Job, whose pods' names have the index behind it. */
export function jobName(folder: string, submission: string): string {
  const base = path
    .basename(folder)
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .replace(/^[^a-z]+/, '');
  return `${base.slice(0, 40)}-${submission}`.replace(/-+/g, '-').replace(/^-/, 'sweep-');
}

/** What a Job is made from. */
export interface JobRequest {
  readonly folder: string;
  readonly sweepFile: SweepFile;
  readonly submission: Submission;
  readonly settings: JobSettings;
  /** Most points at a time. */
  readonly jobs?: number;
}

/** The documents of a Job's YAML: ConfigMap, PersistentVolumeClaim, Job. @throws {TunebookError} For files that are too large */
export function jobDocuments({ folder, sweepFile, submission, settings, jobs }: JobRequest): object[] {
  const name = jobName(folder, submission.name);
  const { namespace } = settings;
  const metadata = (own: string): object => ({
    name: own,
    ...(namespace === undefined ? {} : { namespace }),
    labels: { 'app.kubernetes.io/name': 'tunebook', 'app.kubernetes.io/instance': name },
  });
  const files: [key: string, place: string][] = [
    ['sweep-points.json', 'sweep-points.json'],
    ['submission.json', `submissions/${submission.name}.json`],
    ['notebook.ipynb', sweepFile.notebook],
  ];
  const data = Object.fromEntries(
    files.map(([key, place]) => [key, fs.readFileSync(path.join(folder, place), 'utf8')]),
  );
  const sizeBytes = Object.values(data).reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  if (sizeBytes > MAX_PLAN_BYTES)
    throw new TunebookError(
      `sweep: expected a notebook and points of at most 1 MiB, Kubernetes' limit of a ConfigMap, got ${sizeBytes} bytes. ` +
        'Put data into files of the image, and split the grid.',
    );
  const resources = {
    cpu: settings.cpu,
    memory: settings.memory,
    ...(settings.gpu === undefined ? {} : { 'nvidia.com/gpu': settings.gpu }),
  };
  const container = {
    name: 'point',
    image: settings.image,
    args: [
      'sweep-point',
      SWEEP_MOUNT,
      submission.name,
      '$(JOB_COMPLETION_INDEX)',
      '-o',
      RESULTS,
      '--cwd',
      '.',
    ],
    env: [{ name: 'TUNEBOOK_THREADS', value: String(Math.max(1, Math.floor(Number(settings.cpu) || 1))) }],
    resources: { requests: resources, limits: resources },
    volumeMounts: [
      { name: 'sweep', mountPath: SWEEP_MOUNT },
      { name: 'results', mountPath: RESULTS },
    ],
  };
  const count = submission.points.length;
  const spec = {
    completions: count,
    parallelism: Math.min(count, jobs ?? count),
    completionMode: 'Indexed',
    backoffLimitPerIndex: RETRIES,
    // One point's failure ends no other.
    maxFailedIndexes: count,
    podFailurePolicy: {
      rules: [
        // A drained or preempted node is no failure: the point goes on from its checkpoint.
        { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
        {
          action: 'FailIndex',
          onExitCodes: { containerName: container.name, operator: 'In', values: FINAL_STATUSES },
        },
      ],
    },
    template: {
      metadata: { labels: { 'app.kubernetes.io/name': 'tunebook', 'app.kubernetes.io/instance': name } },
      spec: {
        restartPolicy: 'Never',
        terminationGracePeriodSeconds: GRACE_SECONDS,
        containers: [container],
        volumes: [
          {
            name: 'sweep',
            configMap: { name, items: files.map(([key, place]) => ({ key, path: place })) },
          },
          { name: 'results', persistentVolumeClaim: { claimName: settings.claim } },
        ],
      },
    },
  };
  return [
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: metadata(name), data },
    {
      ...{ apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: metadata(settings.claim) },
      spec: {
        accessModes: [settings.access],
        resources: { requests: { storage: settings.storage } },
      },
    },
    { apiVersion: 'batch/v1', kind: 'Job', metadata: metadata(name), spec },
  ];
}

/** Writes a Job's YAML beside the sweep's file. @returns its file */
export function writeJob(request: JobRequest): string {
  const { stringify } = createRequire(__filename)('yaml') as typeof Yaml;
  const documents = jobDocuments(request).map((document) =>
    stringify(document, { lineWidth: 0, aliasDuplicateObjects: false }),
  );
  const file = path.join(request.folder, 'submissions', `${request.submission.name}.yaml`);
  fs.writeFileSync(file, documents.join('---\n'));
  return file;
}

/** The image that points run in, to build beside the package's archive (`npm pack`). */
export const DOCKERFILE = `# docker build -t REGISTRY/tunebook -f Dockerfile FOLDER   (FOLDER holds the archive that npm pack wrote)
FROM node:22-bookworm-slim
RUN apt-get update \\
 && apt-get install -y --no-install-recommends ca-certificates openmpi-bin \\
 && rm -rf /var/lib/apt/lists/*
WORKDIR /work
COPY tunebook-*.tgz ./
RUN npm init -y >/dev/null && npm install --omit=dev ./tunebook-*.tgz koffi@3.3.4 && npm cache clean --force
# Node itself gets the signals; npx would not pass them on.
ENTRYPOINT ["node", "/work/node_modules/tunebook/.build/lib/cli/main.js"]
`;
