/** From tensors to a file that is read back, compared and reported: what models and adapters have in common. */
import type { Architecture } from '../../models';
import type { AgreementBound } from '../proof/agreement';
import { findLlamaCpp, LLAMA_CPP_ADVICE, openLlamaCpp } from '../proof/llama-cpp';
import type { ExportOutcome } from '../proof/outcome';
import { prove } from '../proof/prove';
import type { CheckOptions, Proof } from '../proof/prove';
import { writeExportReport } from '../proof/report';
import type { ModelSource } from '../source/open-source';
import { contextLength, firstTable } from './families';
import type { GgufEntries } from './types/format';
import { readBack } from './read-back';
import { stageGguf } from './write';
import type { GgufTensor } from './write';

/** What is written, and what is said of it. */
export interface ProvenRequest {
  readonly entries: GgufEntries;
  readonly tensors: readonly GgufTensor[];
  readonly onTensor?: (done: number, name: string) => void;
  /** Of the report: 'gguf', 'gguf-lora'. */
  readonly target: string;
  readonly type: string;
  /** Name of the model, for people. */
  readonly model: string;
  /** Sentences that come before the proof's. */
  readonly notes: readonly string[];
  /** Compares answers; undefined: the file is neither read back nor compared. */
  readonly prove: (() => Promise<Proof>) | undefined;
}

/**
 * Writes a file; nothing takes its name before it has been read back.
 * @throws {TunebookError} Where values do not fit, the disk has no space, or the file is not what was written.
 */
export async function writeProven(file: string, request: ProvenRequest): Promise<ExportOutcome> {
  const { entries, tensors, onTensor, target, type, model, notes } = request;
  const staged = await stageGguf(file, entries, tensors, onTensor);
  try {
    if (request.prove !== undefined) await readBack(staged.temporaryPath, tensors, file);
    await staged.commit();
  } catch (error) {
    await staged.discard();
    throw error;
  }
  if (request.prove === undefined) {
    const words = [...notes, 'Neither read back nor compared, as asked.'];
    return { files: [file], words, agreement: undefined, isProven: true };
  }
  const { agreement, isProven, words: found } = await request.prove();
  const words = [...notes, ...found];
  const report = await writeExportReport(file, { target, type, model, isProven, words, agreement });
  return { files: [file, report], words, agreement, isProven };
}

/** Longest memory of keys and values that a comparison takes. */
const MAX_CONTEXT = 2048;

/** What llama.cpp is compared by. */
export interface LlamaCppProof {
  readonly source: Pick<ModelSource, 'open' | 'tokenizer'>;
  readonly architecture: Architecture;
  readonly check: CheckOptions;
  readonly bound: AgreementBound;
  /** The file that llama.cpp loads; not asked for where it is not installed. */
  readonly file: () => Promise<string>;
  /** An adapter's file on top. */
  readonly lora?: string;
}

/** Compares a file's answers where llama.cpp is installed. */
export function proveInLlamaCpp(request: LlamaCppProof): Promise<Proof> {
  const { source, architecture, check, bound, file, lora } = request;
  const { vocabSize } = architecture;
  // The size of its memory says which rotary table llama.cpp takes: the first, as for the prompts here.
  const context = Math.min(contextLength(architecture), firstTable(architecture));
  return prove({
    ...{ source, check, bound, contextLength: context },
    missing:
      'Read back: every tensor is as it was. Answers were not compared: llama.cpp is not installed here. To compare ' +
      `them: ${LLAMA_CPP_ADVICE}.`,
    open: async () => {
      if ((await findLlamaCpp()) === undefined) return undefined;
      return openLlamaCpp(await file(), { contextSize: Math.min(context, MAX_CONTEXT), vocabSize, lora });
    },
  });
}
