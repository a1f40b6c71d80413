/** Generation's door: tokens and texts from models, greedy or sampled, cached and streamed. */
import { CausalLM } from '../models';
import { generate, streamGenerate } from './generate';
import type { GenerationResult } from './generate';
import type { GenerateOptions, TokenEvent } from './options';

export { generate, streamGenerate };
export type { GenerateOptions, GenerationResult, TokenEvent };
export type { FinishReason } from './generate';
export { textGenerator, textStreamer } from './text-generator';
export type { TextGeneratorOptions } from './text-generator';

declare module '../models/run/causal-lm' {
  interface CausalLM {
    /** Continues prompts: see `generate`. */
    generate(options: GenerateOptions): Promise<GenerationResult>;
    /** Continues prompts, token by token: see `streamGenerate`. */
    streamGenerate(options: GenerateOptions): AsyncGenerator<TokenEvent, GenerationResult, undefined>;
  }
}

// Models do not depend on generation, so generation puts its methods on them.
CausalLM.prototype.generate = function (this: CausalLM, options) {
  return generate(this, options);
};
CausalLM.prototype.streamGenerate = function (this: CausalLM, options) {
  return streamGenerate(this, options);
};
