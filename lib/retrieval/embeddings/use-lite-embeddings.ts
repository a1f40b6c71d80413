/** Offline embeddings of English sentences: the Universal Sentence Encoder lite, which comes with tunebook. */
import path from 'node:path';
import { openSafetensors } from '../../checkpoint';
import { createEngine, signatureOf } from '../../engine';
import type { Engine } from '../../engine';
import { readJson } from '../../files';
import { lazySchema } from '../../schema';
import type { HostTensor } from '../../types';
import type { Embeddings } from './embeddings';
import { unigramTokenizer } from './unigram-tokenizer';
import { MAX_TOKENS, useLite, useLiteFeeds, WIDTH } from './use-lite-model';
import type { UseLiteWeights } from './use-lite-model';

/** Texts per run. */
const BATCH = 8;

/** A few pieces lack a score in the published vocabulary; its own tokenizer counts them as 0. */
const vocabularySchema = lazySchema((z) =>
  z
    .array(
      z.tuple([
        z.string(),
        z
          .number()
          .nullable()
          .transform((score) => score ?? 0),
      ]),
    )
    .min(7),
);

/** The built-in model; `AutoEmbeddings.fromPretrained('use-lite')` makes one. */
export class UseLiteEmbeddings implements Embeddings {
  readonly name = 'use-lite';

  private constructor(
    private readonly weights: UseLiteWeights,
    private readonly tokenize: (text: string) => number[],
    private readonly engine: Engine,
  ) {}

  /** Loads the model from its folder. @throws {TunebookError} If files are missing or damaged */
  static async load(folder: string): Promise<UseLiteEmbeddings> {
    const vocabulary = await readJson(path.join(folder, 'vocab.json'), {
      schema: vocabularySchema(),
      expected: 'pieces and scores',
    });
    const file = await openSafetensors(path.join(folder, 'model.safetensors'));
    const weights: Record<string, HostTensor> = {};
    try {
      for (const name of file.names)
        weights[name] = { data: await file.read(name), shape: file.info(name).shape };
    } finally {
      await file.close();
    }
    // Small matrices: a GPU or more threads would cost more than they save, and one thread gives the same bytes everywhere.
    const engine = await createEngine({ provider: 'cpu', threads: 1 });
    return new UseLiteEmbeddings(weights, unigramTokenizer(vocabulary), engine);
  }

  /** Unit vectors of 512 numbers; zeros for an empty text. Warns of texts that are too long. */
  async embedDocuments(texts: string[]): Promise<number[][]> {
    const rows = texts.map(this.tokenize);
    const long = rows.filter((row) => row.length > MAX_TOKENS).length;
    if (long > 0)
      console.warn(
        `use-lite: ${long} of ${texts.length} texts have more than ${MAX_TOKENS} tokens; only their beginning counts. ` +
          'Split them (RecursiveCharacterTextSplitter).',
      );
    const vectors = texts.map(() => new Array<number>(WIDTH).fill(0));
    // Texts of similar length together: less padding.
    const order = [...rows.keys()]
      .filter((i) => rows[i].length > 0)
      .sort((a, b) => rows[a].length - rows[b].length || a - b);
    for (let start = 0; start < order.length; start += BATCH) {
      const places = order.slice(start, start + BATCH);
      const longest = Math.min(MAX_TOKENS, Math.max(...places.map((place) => rows[place].length)));
      // Few shapes, each compiled once.
      const shape: [number, number] = [
        places.length === 1 ? 1 : BATCH,
        2 ** Math.max(4, Math.ceil(Math.log2(longest))),
      ];
      const feeds = useLiteFeeds(
        places.map((place) => rows[place]),
        { weights: this.weights, shape },
      );
      const compiled = await this.engine.compile(useLite, signatureOf(feeds));
      const { y } = await compiled.run(feeds);
      places.forEach((place, i) => {
        vectors[place] = Array.from(y.data.subarray(i * WIDTH, (i + 1) * WIDTH));
      });
    }
    return vectors;
  }

  async embedQuery(text: string): Promise<number[]> {
    return (await this.embedDocuments([text]))[0];
  }

  /** Frees the compiled functions. */
  dispose(): Promise<void> {
    return this.engine.dispose();
  }
}
