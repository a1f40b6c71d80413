/**
 * What `model.forward` takes, and what is checked of it before anything runs.
 */
import { TunebookError } from '../../types';
import type { Architecture } from '../families/architecture';

/** What `forward` takes. */
export interface ForwardInputs {
  /** Token ids, B rows of T. */
  inputIds: readonly (readonly number[])[];
  /** 1 for real tokens, 0 for padding; default all 1. */
  attentionMask?: readonly (readonly number[])[];
  /** Token ids, not shifted; -100 is ignored. */
  labels?: readonly (readonly number[])[];
}

/** What `forward` gives. */
export interface ForwardOutput {
  /** Mean negative log-likelihood over the labelled tokens, in nats. */
  loss?: number;
  /** float32 [B, T, V] */
  logits: { data: Float32Array; shape: number[] };
}

/** Rows as flat arrays. */
export interface CheckedInputs {
  readonly shape: [number, number];
  readonly ids: Int32Array;
  readonly mask?: Int32Array;
  readonly labels?: Int32Array;
}

/**
 * The inputs of `forward` as flat arrays.
 * @throws TunebookError for ragged rows, ids outside the vocabulary or a context that is too long.
 */
export function checkedInputs(architecture: Architecture, inputs: ForwardInputs): CheckedInputs {
  const [B, T] = [inputs.inputIds.length, inputs.inputIds[0]?.length ?? 0];
  if (B === 0 || T === 0)
    throw new TunebookError('model.forward: expected inputIds of at least one token, got none.');
  const flat = (name: string, rows: readonly (readonly number[])[] | undefined): Int32Array | undefined => {
    if (rows === undefined) return undefined;
    if (rows.length !== B || rows.some((row) => row.length !== T)) {
      throw new TunebookError(
        `model.forward: expected ${name} of ${B} rows of ${T} tokens, got rows of ` +
          `${rows.map((row) => row.length).join(', ')}. Pad rows to one length, with attentionMask 0 on padding.`,
      );
    }
    return Int32Array.from(rows.flat());
  };
  const ids = flat('inputIds', inputs.inputIds) ?? new Int32Array();
  checkIds(architecture, ids, T);
  const [mask, labels] = [flat('attentionMask', inputs.attentionMask), flat('labels', inputs.labels)];
  return { shape: [B, T], ids, mask, labels };
}

/** @throws TunebookError where an id is outside the vocabulary or T is over the model's context. */
export function checkIds(architecture: Architecture, ids: Int32Array, T: number): void {
  const { vocabSize, maxPositions } = architecture;
  if (T > maxPositions) {
    throw new TunebookError(
      `model: expected at most ${maxPositions} tokens in a row, got ${T}. Truncate the records (maxLength), ` +
        `or use a model with a longer context.`,
    );
  }
  const wrong = ids.find((id) => id < 0 || id >= vocabSize);
  if (wrong !== undefined) {
    throw new TunebookError(
      `model: expected token ids from 0 to ${vocabSize - 1}, got ${wrong}. The tokenizer does not fit this model.`,
    );
  }
}
