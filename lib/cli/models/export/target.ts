/** What a target of `tunebook export` is. Files beside this one have the targets of a format; `targets.ts` lists them. */
import { createRequire } from 'node:module';
import type * as Export from '../../../export';
import type { CheckOptions, ExportOutcome, ExportProgress } from '../../../export';
import type { QuantizationConfig } from '../../../quantization';

/** The room that writes exports; it loads when one is written. */
export const exportRoom = (): typeof Export => createRequire(__filename)('../../../export') as typeof Export;

/** A call of `tunebook export`, as a target gets it. */
export interface ExportCall {
  /** Built-in model, folder or hub id; undefined: the adapter's base. */
  readonly model: string | undefined;
  /** One of the target's types. */
  readonly type: string;
  /** The file or folder that is written. */
  readonly output: string;
  /** What every export takes. */
  readonly options: {
    /** Folder of a saved LoRA adapter. */
    readonly adapter: string | undefined;
    /** How the base was quantized while its adapter was trained, where its folder does not say it. */
    readonly quantizationConfig: QuantizationConfig | undefined;
    readonly check: CheckOptions | false;
    readonly onProgress: ExportProgress;
  };
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
