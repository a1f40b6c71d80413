/** Caches vectors of documents on disk by model and content: each text is embedded once, in whatever file or store. */
import { createHash } from 'node:crypto';
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { makeFolder, requireLocalPath, writeFileAtomic } from '../../files';
import { messageOf, requireText } from '../../types';
import type { Embeddings } from './embeddings';

/** Embeddings that cache the vectors of documents in a folder; queries are always computed. */
export class CachedEmbeddings implements Embeddings {
  readonly name: string;
  private readonly folder: string;
  private hasWarned = false;

  /** @throws {TunebookError} If the embeddings have no name, since vectors of two models must not be mixed */
  constructor(
    private readonly embeddings: Embeddings,
    folder: string,
  ) {
    const { name } = embeddings;
    requireText(name, { where: 'CachedEmbeddings', what: 'embeddings with a name' });
    requireText(folder, { where: 'CachedEmbeddings', what: 'the path of a folder' });
    requireLocalPath(folder, 'CachedEmbeddings');
    this.name = name ?? '';
    this.folder = path.join(folder, hash(this.name).slice(0, 16));
  }

  async embedDocuments(texts: string[]): Promise<number[][]> {
    const vectors = await Promise.all(texts.map((text) => this.read(text)));
    const missing = [...new Set(texts.filter((_, i) => vectors[i] === undefined))];
    const made = new Map<string, number[]>();
    if (missing.length > 0) {
      const fresh = await this.embeddings.embedDocuments(missing);
      for (const [i, text] of missing.entries()) {
        made.set(text, fresh[i]);
        await this.write(text, fresh[i]);
      }
    }
    return texts.map((text, i) => vectors[i] ?? made.get(text) ?? []);
  }

  embedQuery(text: string): Promise<number[]> {
    return this.embeddings.embedQuery(text);
  }

  private fileOf(text: string): string {
    return path.join(this.folder, `${hash(text)}.f32`);
  }

  /** The cached vector of a text; undefined if there is none or its file is damaged. */
  private async read(text: string): Promise<number[] | undefined> {
    const bytes = await fs.readFile(this.fileOf(text)).catch(() => undefined);
    if (bytes === undefined || bytes.length < 12) return undefined;
    // The last four bytes are the number of values, which exposes a truncated file.
    const count = bytes.readUInt32LE(bytes.length - 4);
    if (bytes.length !== 4 * count + 4) return undefined;
    const values = new Array<number>(count);
    for (let i = 0; i < count; i++) values[i] = bytes.readFloatLE(4 * i);
    return values;
  }

  private async write(text: string, vector: readonly number[]): Promise<void> {
    const bytes = Buffer.alloc(4 * vector.length + 4);
    vector.forEach((value, i) => bytes.writeFloatLE(value, 4 * i));
    bytes.writeUInt32LE(vector.length, 4 * vector.length);
    try {
      await makeFolder(this.folder);
      await writeFileAtomic(this.fileOf(text), bytes);
    } catch (error) {
      if (this.hasWarned) return;
      this.hasWarned = true;
      console.warn(
        `CachedEmbeddings: ${this.folder} cannot be written (${messageOf(error)}); vectors are made each time.`,
      );
    }
  }
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
