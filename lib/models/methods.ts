/**
 * Methods that people know from transformers and PEFT, put on models here because models do not know of files.
 */
import { saveAdapter } from './adapter-files';
import { savePretrained } from './auto';
import type { SavePretrainedOptions } from './auto';
import { CausalLM } from './run/causal-lm';
import { mergeAndUnload } from './peft';

declare module './run/causal-lm' {
  interface CausalLM {
    /**
     * Writes the adapter in use, or the whole model where there is none; see `saveAdapter` and `savePretrained`.
     * @returns names of the files written
     */
    savePretrained(folder: string, options?: SavePretrainedOptions): Promise<string[]>;
    /** Adds the adapter in use to the weights for good; see `mergeAndUnload`. @throws TunebookError on quantized weights */
    mergeAndUnload(): CausalLM;
  }
}

CausalLM.prototype.savePretrained = function (this: CausalLM, folder, options) {
  return this.adapter === undefined ? savePretrained(this, folder, options) : saveAdapter(this, folder);
};
CausalLM.prototype.mergeAndUnload = function (this: CausalLM) {
  return mergeAndUnload(this);
};
