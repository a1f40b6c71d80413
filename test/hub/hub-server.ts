/** A model hub on 127.0.0.1 that speaks the protocol of huggingface.co, and misbehaves on request. */
import { createHash } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';

export const COMMIT = 'c0ffee0123456789c0ffee0123456789c0ffee01';

/** What the server has and how it behaves; tests change it while it runs. */
export interface FakeHub {
  readonly endpoint: string;
  /** Files of the model and data set `someone/small` by name. */
  readonly files: Map<string, Buffer>;
  /** "METHOD path [range] [authorization]" of every request, in order; storage requests start with "STORE". */
  readonly log: string[];
  /** Names whose bytes come from a second host by redirect, as large files do; checksum SHA-256. */
  readonly large: Set<string>;
  /** Most bytes of one answer of the storage host; the connection breaks after them. */
  breakAfterBytes: number;
  /** The storage host ignores Range. */
  ignoresRange: boolean;
  /** Bytes that the storage host sends instead of the true ones. */
  readonly forged: Map<string, Buffer>;
  /** Statuses that the storage host answers with before it serves; 0 is silence. */
  readonly storageStatuses: number[];
  /** Answers everything with this status and X-Error-Code. */
  refusal: { status: number; code?: string; onlyFiles?: boolean; error?: string } | undefined;
  /** The only token that is let in, if any. */
  requiredToken: string | undefined;
  /** Entries added to the listing as they are. */
  readonly extraEntries: unknown[];
  close(): Promise<void>;
}

/** Starts the hub and its storage host; both end with the test. */
export async function startFakeHub(t: TestContext): Promise<FakeHub> {
  const storage = http.createServer((request, response) => serveStorage(hub, request, response));
  const api = http.createServer((request, response) => serveApi(hub, storageUrl, request, response));
  const storageUrl = await listen(storage);
  const hub: FakeHub = {
    endpoint: await listen(api),
    files: new Map(),
    log: [],
    large: new Set(['model.safetensors']),
    breakAfterBytes: Infinity,
    ignoresRange: false,
    forged: new Map(),
    storageStatuses: [],
    refusal: undefined,
    requiredToken: undefined,
    extraEntries: [],
    close: async () => {
      for (const server of [storage, api]) {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
    },
  };
  t.after(() => hub.close());
  return hub;
}

/** Unsets what this machine's user has set for the hub, and sets the given; undone after the test. */
export function isolateHubEnvironment(t: TestContext, values: Record<string, string>): void {
  const names = [
    ...['HF_HOME', 'HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN', 'HF_TOKEN_PATH', 'HF_ENDPOINT', 'HF_HUB_CACHE'],
    ...['HUGGINGFACE_HUB_CACHE', 'HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE'],
  ];
  for (const name of names) {
    const before = process.env[name];
    t.after(() => (before === undefined ? delete process.env[name] : (process.env[name] = before)));
    if (values[name] === undefined) delete process.env[name];
    else process.env[name] = values[name];
  }
}

export function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** git's name for a file's content. */
export function gitOid(bytes: Buffer): string {
  return createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
}

async function listen(server: http.Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return `http://127.0.0.1:${port}`;
}

function note(hub: FakeHub, prefix: string, request: http.IncomingMessage): string {
  const address = new URL(request.url ?? '', 'http://x').pathname;
  const extras = [request.headers.range, request.headers.authorization]
    .filter(Boolean)
    .map((text) => ` ${text}`);
  hub.log.push(`${prefix} ${address}${extras.join('')}`);
  return address;
}

function serveApi(
  hub: FakeHub,
  storageUrl: string,
  request: http.IncomingMessage,
  response: http.ServerResponse,
): void {
  const isDataset = /^\/(api\/)?datasets\//.test(request.url ?? '');
  const isRecursive = (request.url ?? '').includes('recursive=true');
  const noted = note(hub, request.method ?? '', request);
  // The same files are a model and a data set.
  const address = isDataset
    ? noted.replace('/api/datasets/', '/api/models/').replace(/^\/datasets/, '')
    : noted;
  const json = (status: number, body: unknown, headers: http.OutgoingHttpHeaders = {}): void => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
  };
  const isFile = address.includes('/resolve/');
  const { refusal, requiredToken } = hub;
  if (refusal !== undefined && (isFile || refusal.onlyFiles !== true)) {
    return json(
      refusal.status,
      { error: refusal.error ?? 'refused' },
      { 'x-error-code': refusal.code ?? '' },
    );
  }
  if (requiredToken !== undefined && request.headers.authorization !== `Bearer ${requiredToken}`) {
    return json(401, { error: 'Invalid username or password.' });
  }
  if (/^\/api\/models\/someone\/small\/revision\/(main|v1)$/.test(address)) {
    return json(200, { _id: '1', id: 'someone/small', sha: COMMIT, lastModified: '2026-01-01T00:00:00Z' });
  }
  if (address.startsWith('/api/models/someone/small/revision/')) {
    return json(404, { error: 'Invalid rev id: no such revision' }, { 'x-error-code': 'RevisionNotFound' });
  }
  if (address === `/api/models/someone/small/tree/${COMMIT}`) return json(200, listing(hub, '', isRecursive));
  const within = new RegExp(`^/api/models/someone/small/tree/${COMMIT}/(.+)$`).exec(address)?.[1];
  if (within !== undefined) return json(200, listing(hub, `${decodeURIComponent(within)}/`));
  const name = address.startsWith(`/someone/small/resolve/${COMMIT}/`)
    ? address.split('/').slice(5).join('/')
    : '';
  const bytes = hub.files.get(name);
  if (bytes === undefined) return json(404, { error: 'Repository not found' });
  if (hub.large.has(name)) {
    response.writeHead(302, {
      location: `${storageUrl}/${name}`,
      'x-linked-etag': `"${sha256(bytes)}"`,
      'x-linked-size': bytes.length,
      'x-repo-commit': COMMIT,
    });
    response.end();
  } else
    response
      .writeHead(200, {
        etag: `"${gitOid(bytes)}"`,
        'content-length': bytes.length,
        'x-repo-commit': COMMIT,
      })
      .end(bytes);
}

function listing(hub: FakeHub, within = '', isRecursive = false): unknown[] {
  const inside = [...hub.files].filter(([path]) => path.startsWith(within));
  const files = inside.map(([path, bytes]) => {
    const lfs = hub.large.has(path)
      ? { oid: sha256(bytes), size: bytes.length, pointerSize: 130 }
      : undefined;
    return { type: 'file', path, size: bytes.length, oid: lfs ? '0'.repeat(40) : gitOid(bytes), lfs };
  });
  if (within !== '') return files;
  if (isRecursive) return [...files, ...hub.extraEntries];
  return [...files, { type: 'directory', path: 'onnx', size: 0, oid: '1'.repeat(40) }, ...hub.extraEntries];
}

function serveStorage(hub: FakeHub, request: http.IncomingMessage, response: http.ServerResponse): void {
  const name = note(hub, 'STORE', request).slice(1);
  const status = hub.storageStatuses.shift();
  if (status === 0) return; // says nothing at all
  if (status !== undefined) return void response.writeHead(status).end('not now');
  const bytes = hub.forged.get(name) ?? hub.files.get(name) ?? Buffer.alloc(0);
  const wanted = /^bytes=(\d+)-$/.exec(hub.ignoresRange ? '' : (request.headers.range ?? ''));
  const start = wanted === null ? 0 : Number(wanted[1]);
  const rest = bytes.subarray(start);
  response.writeHead(wanted === null ? 200 : 206, {
    'content-length': rest.length,
    ...(wanted === null ? {} : { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` }),
  });
  if (rest.length <= hub.breakAfterBytes) response.end(rest);
  else {
    // The pause lets the client read what arrived: fetch drops unread bytes when the connection breaks.
    response.write(rest.subarray(0, hub.breakAfterBytes), () => setTimeout(() => response.destroy(), 50));
  }
}
