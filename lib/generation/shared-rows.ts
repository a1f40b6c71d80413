/**
 * Rows of several calls in one decoder: they take a place and leave it, and the number of rows that are computed follows
 * in powers of two, since every number is a function to compile.
 */
import type { BetweenLayers, Runtime } from '../models';
import { cachedDecoder } from './decoders/cached-decoder';
import type { Decoder } from './decoders/decoder';
import type { KnownPrompts } from './decoders/prefix-cache';

/** A place: who has it, and the token that its next step appends; undefined while the prompt is read. */
interface Place<Job> {
  readonly job: Job;
  token: number | undefined;
}

export class SharedRows<Job> {
  private decoder: Decoder | undefined;
  private places: (Place<Job> | undefined)[] = [];

  private readonly maxRows: number;
  private readonly isCoded: boolean;
  private readonly known: KnownPrompts | undefined;

  /**
   * @param options.isCoded compute by codes of 8 bits where that is possible
   * @param options.known prompts that were read before, with the same weights
   */
  constructor(
    private readonly runtime: Runtime,
    options: { maxRows: number; isCoded: boolean; known?: KnownPrompts },
  ) {
    this.known = options.known;
    this.maxRows = options.maxRows;
    this.isCoded = options.isCoded;
  }

  /** Places that are taken. */
  get live(): number {
    return this.places.filter((place) => place !== undefined).length;
  }

  /** Places whose prompts have been read. */
  get ready(): number {
    return this.places.filter((place) => place !== undefined && place.token !== undefined).length;
  }

  get jobs(): Job[] {
    return this.places.flatMap((place) => (place === undefined ? [] : [place.job]));
  }

  /**
   * Gives a job a place.
   * @param options.between awaited while the prompt is read: rows may step, be released and moved meanwhile
   * @returns logits after its prompt, float32 [V]
   */
  async admit(
    job: Job,
    { prompt, between }: { prompt: readonly number[]; between: BetweenLayers },
  ): Promise<Float32Array> {
    const place: Place<Job> = { job, token: undefined };
    if (this.decoder === undefined) {
      this.places = [place];
      const { isCoded, known } = this;
      const longest = this.runtime.architecture.maxPositions;
      const decoder = cachedDecoder(this.runtime, { prompts: [prompt], longest, isCoded, known });
      let logits: Float32Array;
      try {
        logits = await decoder.start(between);
      } catch (error) {
        decoder.end?.();
        throw error;
      }
      this.decoder = decoder;
      return logits;
    }
    if (!this.places.includes(undefined)) await this.resize(Math.min(2 * this.places.length, this.maxRows));
    const { decoder } = this;
    this.places[this.places.indexOf(undefined)] = place; // wherever it moves
    const row = (): number => {
      if (this.decoder !== decoder) throw new Error('the rows beside it failed while its prompt was read');
      return this.places.indexOf(place);
    };
    return decoder.admit({ prompt, row, between });
  }

  /** Says which token a job's next step appends. */
  append(job: Job, token: number): void {
    const place = this.places.find((one) => one?.job === job);
    if (place !== undefined) place.token = token;
  }

  /** Gives a place back. */
  release(job: Job): void {
    this.places = this.places.map((place) => (place?.job === job ? undefined : place));
  }

  /** Appends each job's token. @returns the logits that follow, float32 [V] each */
  async step(): Promise<[Job, Float32Array][]> {
    if (this.decoder === undefined) throw new Error('internal: rows must be admitted before a step');
    // Not at half: a place that is free for a moment is cheaper than moving the others.
    const needed = 2 ** Math.ceil(Math.log2(this.live));
    if (needed <= this.places.length / 4) await this.resize(needed);
    const logits = await this.decoder.step(this.places.map((place) => place?.token));
    const { vocabSize } = this.runtime.architecture;
    return this.places.flatMap((place, row): [Job, Float32Array][] =>
      place === undefined || place.token === undefined
        ? []
        : [[place.job, logits.subarray(row * vocabSize, (row + 1) * vocabSize)]],
    );
  }

  /** Gives the memory back. */
  end(): void {
    this.decoder?.end?.();
    this.decoder = undefined;
    this.places = [];
  }

  /** Goes on with so many places, those that are taken first. */
  private async resize(count: number): Promise<void> {
    const taken = [...this.places.keys()].filter((row) => this.places[row] !== undefined);
    const rows = Array.from({ length: count }, (_, at) => taken[at]);
    await this.decoder?.keep(rows);
    this.places = rows.map((row) => (row === undefined ? undefined : this.places[row]));
  }
}
