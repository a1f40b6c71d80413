/** The proof of an ONNX export: every file asked beside the model, and export-report.json with what was found. */
import path from 'node:path';
import type { Agreement, AgreementBound } from '../proof/agreement';
import type { ExportProgress } from '../proof/outcome';
import { endTokens, ownResponder } from '../proof/own-answers';
import { compare } from '../proof/prove';
import type { CheckOptions } from '../proof/prove';
import { writeExportReport } from '../proof/report';
import type { Responder } from '../proof/responder';
import type { ModelSource } from '../source/open-source';
import { openOnnxResponder, transformersTokenizer } from './onnx-responder';
import type { OnnxDtypeName } from './onnx-types';
import { readingInTransformers } from './transformers-reading';
import type { WrittenOnnx } from './write-onnx';

/** What was found of one file. */
export interface OnnxProof {
  readonly agreement: Agreement | undefined;
  /** After a prompt's tokens: the largest error of a log-probability, in parts of the largest one; fp32 only. */
  readonly largestError: number | undefined;
  /** What was found, a sentence each. */
  readonly words: readonly string[];
  readonly isProven: boolean;
}

/** How far each type may be off: about ten times what tuned models were measured at. */
const BOUNDS: Readonly<Record<OnnxDtypeName, AgreementBound>> = {
  fp32: { meanKl: 1e-6, sameTop: 0.99 },
  fp16: { meanKl: 1e-3, sameTop: 0.97 },
  q8: { meanKl: 2e-2, sameTop: 0.93 },
  q4: { meanKl: 0.3, sameTop: 0.75 },
};

const MAX_ERROR = 1e-5;

/** What is proven, and by what. */
interface ProofRequest {
  readonly written: readonly WrittenOnnx[];
  readonly check: CheckOptions;
  readonly onProgress?: ExportProgress;
}

/**
 * Asks every file what the model is asked, and writes export-report.json.
 * @returns what was found, by the files' paths, and the report's path
 */
export async function proveOnnx(
  source: ModelSource,
  folder: string,
  { written, check, onProgress }: ProofRequest,
): Promise<{ proofs: Map<string, OnnxProof>; report: string }> {
  const { tokenizer, weights } = source;
  const { architecture } = weights;
  const read = await transformersTokenizer(folder);
  const reading = await readingInTransformers(tokenizer, read, folder);
  const { model, close } = await source.open();
  const here = answersKept(ownResponder(model, tokenizer));
  const proofs = new Map<string, OnnxProof>();
  let report = path.join(folder, 'export-report.json');
  try {
    const totalBytes = written.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    for (const { path: file, variant } of written) {
      const name = path.basename(file);
      onProgress?.(totalBytes, totalBytes, `comparing the answers of ${name}`);
      const there = await openOnnxResponder({
        ...{ file, tokenizer: read, architecture, endTokens: endTokens(tokenizer) },
      });
      try {
        const { agreement, words, isProven } = await compare(here, there, {
          ...{ check, bound: BOUNDS[variant.dtype], contextLength: architecture.maxPositions },
        });
        const largestError =
          variant.dtype === 'fp32' ? await largestErrorOf(here, there, architecture.maxPositions) : undefined;
        const proof = withError({
          ...{ agreement, largestError },
          ...{ words: [...words, ...reading.words], isProven: isProven && reading.isProven },
        });
        proofs.set(file, proof);
        report = await writeExportReport(path.join(folder, name), {
          ...{ target: variant.target, type: variant.dtype, model: source.name },
          ...{ words: proof.words, isProven: proof.isProven },
          // A page gives this file to everyone: prompts are nobody else's business.
          agreement: agreement && { ...agreement, differing: [] },
        });
      } finally {
        await there.close();
      }
    }
  } finally {
    await close();
  }
  return { proofs, report };
}

/** Every file is asked the same: the model answers once. */
function answersKept(model: Responder): Responder {
  const known = new Map<string, Promise<readonly number[]>>();
  return {
    ...model,
    answer: (ids, maxNewTokens) => {
      const key = `${maxNewTokens}: ${ids.join()}`;
      const answer = known.get(key) ?? model.answer(ids, maxNewTokens);
      known.set(key, answer);
      return answer;
    },
  };
}

function withError(proof: OnnxProof): OnnxProof {
  const { largestError, words, isProven } = proof;
  if (largestError === undefined) return proof;
  const isNear = largestError <= MAX_ERROR;
  const found = `The largest error of a log-probability is ${largestError.toExponential(1)} of the largest.`;
  const wanted = isNear ? [] : [`Expected at most ${MAX_ERROR}: the file computes otherwise than the model.`];
  return { ...proof, words: [...words, found, ...wanted], isProven: isProven && isNear };
}

/** Text of any kind shows a wrong file, and a device that computes wrongly. */
export const PROBE_SENTENCE =
  'The first half was even, the second was slower by 12 seconds; what helps is a steady start.';

/** The largest distance of two runtimes' log-probabilities over a text, in parts of the largest. */
async function largestErrorOf(here: Responder, there: Responder, contextLength: number): Promise<number> {
  const ids = (await here.promptIds(PROBE_SENTENCE)).slice(0, contextLength);
  const ours = await here.logProbabilities(ids, ids.length);
  const theirs = await there.logProbabilities(ids, ids.length);
  let [distance, largest] = [0, 1];
  for (const [at, row] of ours.entries()) {
    for (const [id, value] of row.entries()) {
      distance = Math.max(distance, Math.abs(value - theirs[at][id]));
      largest = Math.max(largest, Math.abs(value));
    }
  }
  return distance / largest;
}
