/** A hub on 127.0.0.1 that takes uploads by huggingface.co's protocol: create, list, preupload, LFS batch, PUT, commit. */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { gitOid, sha256 } from './hub-server';

export const TOKEN = 'hf_secretSecretSecretSecretSecret42';

export interface PushHub {
  readonly endpoint: string;
  /** Files of each branch of `me/race`; no branch: no repository. */
  readonly branches: Map<string, Map<string, Buffer>>;
  /** Large objects that have arrived, by SHA-256. */
  readonly objects: Map<string, Buffer>;
  /** "METHOD path" of every request, in order. */
  readonly log: string[];
  /** Authorization headers that the storage saw. */
  readonly storageTokens: (string | undefined)[];
  /** What the repository was made with. */
  created: unknown;
  /** Titles of commits. */
  readonly commits: string[];
  /** Statuses that requests whose path has the text in it get before they are served. */
  readonly refusals: { part: string; status: number; error?: string }[];
}

export async function startPushHub(t: TestContext): Promise<PushHub> {
  const api = http.createServer((request, response) => void serve(request, response));
  const storage = http.createServer((request, response) => void store(request, response));
  const servers = [api, storage];
  const [endpoint, storageUrl] = await Promise.all(servers.map(listen));
  const hub: PushHub = {
    ...{ endpoint, branches: new Map(), objects: new Map(), log: [], storageTokens: [] },
    ...{ created: undefined, commits: [], refusals: [] },
  };
  t.after(() => {
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
  });
  return hub;

  function refused(address: string, response: http.ServerResponse): boolean {
    const at = hub.refusals.findIndex(({ part }) => address.includes(part));
    if (at < 0) return false;
    const [{ status, error }] = hub.refusals.splice(at, 1);
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ error: error ?? 'refused' }));
    return true;
  }

  async function store(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const bytes = await bodyOf(request);
    const name = (request.url ?? '').slice(1);
    hub.log.push(`PUT ${name.slice(0, 8)}`);
    if (refused(`/put/${name}`, response)) return;
    hub.storageTokens.push(request.headers.authorization);
    hub.objects.set(name, bytes);
    response.end();
  }

  async function serve(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const body = await bodyOf(request);
    const address = decodeURIComponent(new URL(request.url ?? '', 'http://x').pathname);
    hub.log.push(`${request.method} ${address}`);
    const json = (status: number, value: unknown): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    };
    if (refused(address, response)) return;
    if (request.headers.authorization !== `Bearer ${TOKEN}`) return json(401, { error: 'Invalid token' });
    if (address === '/api/repos/create') {
      hub.created = JSON.parse(body.toString());
      hub.branches.set('main', new Map());
      return json(200, { url: `${hub.endpoint}/me/race`, name: 'me/race', id: '1' });
    }
    if (hub.branches.size === 0) return json(404, { error: 'Repository not found' });
    const [, kind, branch = ''] =
      /^\/api\/models\/me\/race\/(tree|branch|preupload|commit)\/(.+)$/.exec(address) ?? [];
    const files = hub.branches.get(branch);
    if (kind === 'branch') {
      hub.branches.set(branch, new Map(hub.branches.get('main')));
      return json(200, {});
    }
    if (address === '/me/race.git/info/lfs/objects/batch') {
      const { objects, transfers } = JSON.parse(body.toString()) as {
        objects: { oid: string; size: number }[];
        transfers: string[];
      };
      const answers = objects.map(({ oid, size }) => ({
        ...{ oid, size },
        ...(hub.objects.has(oid)
          ? {}
          : { actions: { upload: { href: `${storageUrl}/${oid}`, header: {} } } }),
      }));
      return json(200, { transfer: transfers[0], objects: answers });
    }
    if (files === undefined) return json(404, { error: 'Invalid rev id: no such revision' });
    if (kind === 'tree')
      return json(
        200,
        [...files].map(([name, bytes]) => entry(name, bytes)),
      );
    if (kind === 'preupload') {
      const asked = JSON.parse(body.toString()) as { files: { path: string }[] };
      return json(200, {
        files: asked.files.map(({ path }) => ({ path, uploadMode: isLarge(path) ? 'lfs' : 'regular' })),
      });
    }
    const lines = body.toString().split('\n');
    for (const line of lines) {
      const { key, value } = JSON.parse(line) as { key: string; value: Record<string, string> };
      if (key === 'header') hub.commits.push(value.summary);
      else if (key === 'file') files.set(value.path, Buffer.from(value.content, 'base64'));
      else files.set(value.path, hub.objects.get(value.oid) ?? Buffer.from('never arrived'));
    }
    json(200, { commitUrl: `${hub.endpoint}/me/race/commit/a`, commitOid: 'a'.repeat(40), success: true });
  }
}

const isLarge = (name: string): boolean => name.endsWith('.safetensors');

function entry(path: string, bytes: Buffer): unknown {
  const lfs = isLarge(path) ? { oid: sha256(bytes), size: bytes.length, pointerSize: 130 } : undefined;
  return { type: 'file', path, size: bytes.length, oid: lfs ? '0'.repeat(40) : gitOid(bytes), lfs };
}

async function bodyOf(request: http.IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

async function listen(server: http.Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
