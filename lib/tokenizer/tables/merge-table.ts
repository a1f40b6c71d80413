/**
 * The merges of a BPE tokenizer: pairs of token ids in their order, with a hash table from pair to rank.
 * Where it stands: filled by `readBpeTables`; asked by the encoder for each pair of neighbours.
 */
import { slotCount } from './token-table';

/** Ranks of pairs. */
export class MergeTable {
  private readonly slots: Int32Array;

  /** @param pairs ids of the left and the right token of each merge, [2 * count] */
  constructor(private readonly pairs: Int32Array) {
    this.slots = new Int32Array(slotCount(pairs.length / 2));
    // A pair that is there twice has its last rank, as in a map.
    for (let at = 0; at < pairs.length; at += 2)
      this.slots[this.slotOf(pairs[at], pairs[at + 1])] = at / 2 + 1;
  }

  rankOf(left: number, right: number): number | undefined {
    const rank = this.slots[this.slotOf(left, right)] - 1;
    return rank < 0 ? undefined : rank;
  }

  /** All pairs in their order. */
  *all(): Generator<[left: number, right: number]> {
    for (let at = 0; at < this.pairs.length; at += 2) yield [this.pairs[at], this.pairs[at + 1]];
  }

  private slotOf(left: number, right: number): number {
    const { slots, pairs } = this;
    const mask = slots.length - 1;
    const mixed = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b);
    for (let slot = (mixed ^ (mixed >>> 15)) & mask; ; slot = (slot + 1) & mask) {
      const at = 2 * (slots[slot] - 1);
      if (at < 0 || (pairs[at] === left && pairs[at + 1] === right)) return slot;
    }
  }
}
