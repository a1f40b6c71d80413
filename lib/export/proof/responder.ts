/** What an export is compared through: the model as tunebook runs it, and the written file as another runtime runs it. */

/** A model that is asked ids and answers ids, most likely token first. */
export interface Responder {
  /** What runs the model, with its version: 'tunebook', 'llama.cpp (node-llama-cpp 3.21.1)'. */
  readonly name: string;
  /** Token ids of a prompt, as this runtime begins a conversation: with the special tokens that it adds itself. */
  promptIds(prompt: string): Promise<readonly number[]>;
  /** The most likely tokens after a prompt, up to the one that ends the answer, which is left out. */
  answer(promptIds: readonly number[], maxNewTokens: number): Promise<readonly number[]>;
  /**
   * The natural logarithm of each token's probability after each of the last `positions` ids, [positions][V].
   * A token that the runtime does not list has -Infinity.
   */
  logProbabilities(ids: readonly number[], positions: number): Promise<readonly Float32Array[]>;
}

/** A model that was opened to be asked; `close` frees it. */
export interface OpenResponder extends Responder {
  close(): Promise<void>;
}
