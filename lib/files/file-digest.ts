/** Checksums of files of any size. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';

/**
 * A file's digest in hex.
 * @param options.before hashed in front of the file's bytes
 */
export async function fileDigest(
  file: string,
  { algorithm = 'sha256', before = '' }: { algorithm?: 'sha256' | 'sha1'; before?: string } = {},
): Promise<string> {
  const hash = createHash(algorithm).update(before);
  // The default's pieces of 64 kB take longer.
  await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), hash);
  return hash.digest('hex');
}
