/**
 * An npm registry on the loopback address: what package-lock.json lists for a user, packed from this checkout's own
 * `node_modules`. Tarballs are made as they are asked for, uncompressed and the same bytes each time, so that their
 * sha512 is true; packages of other systems have their entry and no tarball, as npm does not ask for one.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ROOT } from '../support/paths';

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>;
}

interface Locked extends Partial<Manifest> {
  readonly version: string;
  readonly dev?: boolean;
}

/** A version of a package; `folder` is undefined where it is not installed here. */
interface Served {
  readonly manifest: Manifest;
  readonly folder: string | undefined;
}

/** A registry that runs. */
export interface Registry {
  readonly url: string;
  /** Each package that was fetched, as `name@version`. */
  readonly fetched: readonly string[];
  /** What was asked for and is neither in package-lock.json nor an optional peer. */
  readonly unknown: readonly string[];
  close(): Promise<void>;
}

const readJson = (...place: string[]): unknown =>
  JSON.parse(fs.readFileSync(path.join(ROOT, ...place), 'utf8'));

/** What a user's install can ask for. */
function servedPackages(): Served[] {
  const { packages } = readJson('package-lock.json') as {
    readonly packages: Readonly<Record<string, Locked>>;
  };
  const users = Object.entries(packages).filter(
    ([place, { dev = false }]) => place !== '' && !dev, // devOptional: a user may get it as well
  );
  const served = users.map(([place, locked]): Served => {
    const folder = path.join(ROOT, place);
    if (fs.existsSync(folder)) return { manifest: readJson(place, 'package.json') as Manifest, folder };
    const name = locked.name ?? place.slice(place.lastIndexOf('node_modules/') + 'node_modules/'.length);
    return { manifest: { ...locked, name }, folder: undefined };
  });
  const each = new Map([...served, standIn(served)].map((one) => [nameOf(one), one])); // a nested copy is the same
  return [...each.values()];
}

const nameOf = ({ manifest }: Served): string => `${manifest.name}@${manifest.version}`;

/**
 * 120 MB that only `tunebook export --to web` reads, and no test of an installed package: a small one is served under its
 * name.
 */
function standIn(served: readonly Served[]): Served {
  const wanted = served.find(({ manifest }) => manifest.name === '@huggingface/transformers');
  const version = wanted?.manifest.dependencies?.['onnxruntime-web'];
  if (version === undefined) throw new Error('registry: transformers no longer asks for onnxruntime-web');
  const folder = path.join(ROOT, 'node_modules', 'onnxruntime-common');
  return { manifest: { name: 'onnxruntime-web', version }, folder };
}

const OTHER_SYSTEMS = ['darwin', 'linux', 'win32'].filter((name) => name !== process.platform);

/** A folder as a tar archive, without the packages below it, source maps and binaries of other systems: half the bytes. */
function tarball(folder: string): Readable {
  const { dir, base } = path.parse(folder);
  const left = [`${base}/node_modules`, '*.map', ...OTHER_SYSTEMS.map((name) => `${base}/bin/*/${name}`)];
  const args = ['-cf', '-', ...left.map((pattern) => `--exclude=${pattern}`), '-C', dir, base];
  return spawn('tar', args, { stdio: ['ignore', 'pipe', 'inherit'] }).stdout;
}

async function integrity(folder: string): Promise<string> {
  const hash = createHash('sha512');
  await pipeline(tarball(folder), hash);
  return `sha512-${hash.digest('base64')}`;
}

/** A package's metadata, as npm reads it. */
async function packument(url: string, versions: readonly Served[]): Promise<object> {
  const entries = versions.map(async ({ manifest, folder }): Promise<[string, object]> => {
    const { name, version } = manifest;
    const dist = {
      tarball: `${url}/-/${encodeURIComponent(`${name}@${version}`)}`,
      integrity: folder === undefined ? undefined : await integrity(folder),
    };
    return [version, { ...manifest, dist }];
  });
  const { name, version } = versions[0].manifest;
  return { name, 'dist-tags': { latest: version }, versions: Object.fromEntries(await Promise.all(entries)) };
}

/** Starts the registry on a free port. */
export async function startRegistry(): Promise<Registry> {
  const served = servedPackages();
  const manifests = [readJson('package.json') as Manifest, ...served.map(({ manifest }) => manifest)];
  const optionalPeers = new Set(manifests.flatMap((one) => Object.keys(one.peerDependenciesMeta ?? {})));
  const fetched: string[] = [];
  const unknown: string[] = [];
  let url = '';

  async function answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const wanted = decodeURIComponent((request.url ?? '').slice(1));
    if (wanted.startsWith('-/')) {
      const key = wanted.slice(2);
      const found = served.find((one) => nameOf(one) === key);
      if (found?.folder !== undefined) {
        fetched.push(key);
        await pipeline(tarball(found.folder), response);
        return;
      }
    }
    const versions = served.filter(({ manifest }) => manifest.name === wanted);
    if (versions.length === 0 && !optionalPeers.has(wanted)) unknown.push(wanted);
    response.statusCode = versions.length > 0 ? 200 : 404;
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(versions.length > 0 ? await packument(url, versions) : {}));
  }

  const server = http.createServer((request, response) => {
    answer(request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('registry: no port');
  url = `http://127.0.0.1:${address.port}`;
  return {
    url,
    fetched,
    unknown,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
