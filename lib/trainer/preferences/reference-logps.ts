/**
 * Log-probabilities of answers by the reference model: computed once, before the first step, and kept in the run's
 * folder, since a resumed run of full training has no other way to know its start weights.
 */
import { promises as fs } from 'node:fs';
import { openSafetensors, writeSafetensors } from '../../checkpoint';
import { rowLength } from '../../dataset';
import type { DataCollator } from '../../dataset';
import { batchLoss } from '../../models';
import type { CausalLM } from '../../pretrained';
import type { EncodedExample } from '../../types';
import { dataHash } from '../checkpoints/identity';
import { answerLogps } from './answers';

/** Name of the file in a run's folder. */
export const REFERENCE_FILE = 'reference_logps.safetensors';

const SIDES = ['chosen', 'rejected'] as const;

export class ReferenceLogps {
  private readonly known = new Map<EncodedExample, Record<(typeof SIDES)[number], number>>();

  /** Examples without one. */
  missing(examples: readonly EncodedExample[]): EncodedExample[] {
    return examples.filter((example) => !this.known.has(example));
  }

  clear(): void {
    this.known.clear();
  }

  /** Computes those of examples, similar lengths together; ends early where `shouldStop` says so. */
  async compute(request: {
    readonly model: CausalLM;
    readonly examples: readonly EncodedExample[];
    readonly collate: DataCollator;
    readonly batchSize: number;
    readonly onBatch: (pairs: number) => void;
    readonly shouldStop: () => boolean;
  }): Promise<void> {
    const { model, collate, batchSize } = request;
    const examples = [...request.examples].sort((a, b) => rowLength(a) - rowLength(b));
    for (let at = 0; at < examples.length && !request.shouldStop(); at += batchSize) {
      const some = examples.slice(at, at + batchSize);
      await batchLoss(model, collate(some), {
        lossScale: 1,
        tokenLoss: (tokens) => {
          const { logps } = answerLogps(tokens);
          // In float32, as the file keeps them: a resumed run has the same.
          for (const [i, example] of some.entries()) {
            const [chosen, rejected] = [logps[i], logps[i + some.length]].map(Math.fround);
            this.known.set(example, { chosen, rejected });
          }
          return { loss: 0, gradients: new Float64Array(tokens.values.length) };
        },
      });
      request.onBatch(some.length);
    }
  }

  /** Writes those of whole sets. */
  async save(file: string, sets: readonly (readonly EncodedExample[])[]): Promise<void> {
    const byHash = new Map(sets.map((examples) => [dataHash(examples), examples]));
    const tensors = [...byHash].flatMap(([hash, examples]) =>
      SIDES.map((side) => ({
        name: `${hash}.${side}`,
        shape: [examples.length],
        values: Float32Array.from(examples, (example) => this.known.get(example)?.[side] ?? NaN),
      })),
    );
    await writeSafetensors(file, tensors);
  }

  /** Reads those of the sets that a file has. @returns whether there is such a file */
  async load(file: string, sets: readonly (readonly EncodedExample[])[]): Promise<boolean> {
    const isThere = await fs.stat(file).then(
      () => true,
      () => false,
    );
    if (!isThere) return false;
    const stored = await openSafetensors(file);
    try {
      for (const examples of sets) {
        const names = SIDES.map((side) => `${dataHash(examples)}.${side}`);
        if (!names.every((name) => stored.header.tensors.get(name)?.shape.join() === String(examples.length)))
          continue;
        const [chosen, rejected] = [await stored.read(names[0]), await stored.read(names[1])];
        for (const [i, example] of examples.entries())
          this.known.set(example, { chosen: chosen[i], rejected: rejected[i] });
      }
    } finally {
      await stored.close();
    }
    return true;
  }

  /** The same collator, whose batches carry those of their rows where all are known. */
  attach(collate: DataCollator): DataCollator {
    return (examples) => {
      const batch = collate(examples);
      const found = examples.flatMap((example) => this.known.get(example) ?? []);
      if (batch.pairs === undefined || found.length < examples.length) return batch;
      const referenceLogps = Float64Array.from(SIDES.flatMap((side) => found.map((logps) => logps[side])));
      return { ...batch, pairs: { ...batch.pairs, referenceLogps } };
    };
  }
}
