/** Checksums as the hub lists them. */
import { fileDigest } from '../files';

/** A file's checksum, hex: SHA-256 of large files, else the SHA-1 by which git names a file's content. */
export function hubChecksum(place: string, sizeBytes: number, isLarge: boolean): Promise<string> {
  return isLarge
    ? fileDigest(place)
    : fileDigest(place, { algorithm: 'sha1', before: `blob ${sizeBytes}\0` });
}
