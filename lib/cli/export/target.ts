/** What a target of `tunebook export` is. One file beside this one per target; `targets.ts` lists them. */
import type { ExportOutcome } from '../../export';

/** A call of `tunebook export`, as a target gets it. */
export interface ExportCall {
  /** Built-in model, folder or hub id; undefined: the adapter's base. */
  readonly model: string | undefined;
  /** Folder of a saved LoRA adapter. */
  readonly adapter: string | undefined;
  /** One of the target's types. */
  readonly type: string;
  /** The file or folder that is written. */
  readonly output: string;
  /** How the base was quantized while its adapter was trained, where its folder does not say it. */
  readonly quantize: 'nf4' | 'fp4' | 'int8' | undefined;
  /** What is asked to compare answers; undefined: nothing is compared. */
  readonly check: CheckCall | undefined;
}

/** What both models are asked after an export. */
export interface CheckCall {
  /** A JSON file with an array of prompts. */
  readonly prompts: string | undefined;
  /** A file of records; their prompts have the form that the model was tuned with. */
  readonly records: string | undefined;
  /** Most prompts asked. */
  readonly count: number;
  /** Longest answer, in tokens. */
  readonly maxNewTokens: number;
}

/** A form that a model is written in. */
export interface ExportTarget {
  /** As `--to` takes it. */
  readonly name: string;
  /** For the help: what is written, for what. */
  readonly summary: string;
  /** What `--type` takes, the default first. */
  readonly types: readonly string[];
  /** Whether it writes an adapter, which has to be given then. */
  readonly needsAdapter?: boolean;
  /** Writes the export and proves it. */
  run(call: ExportCall): Promise<ExportOutcome>;
}
