/** The model as tunebook runs it: this side of a comparison. */
import { generate } from '../../generation';
import { checkedInputs, headLogits, hiddenStates } from '../../models';
import type { HasRuntime } from '../../models';
import { promptIds } from '../../tokenizer';
import type { PretrainedTokenizer } from '../../tokenizer';
import { logSoftmax } from './log-probabilities';
import type { Responder } from './responder';

/** The tokens that end an answer in a comparison: those that an export knows as well. */
export function endTokens({ eosTokenId, endOfTurnTokenId }: PretrainedTokenizer): number[] {
  return [eosTokenId, endOfTurnTokenId].filter((id) => id !== undefined);
}

/** @param model stays open */
export function ownResponder(model: HasRuntime, tokenizer: PretrainedTokenizer): Responder {
  const { runtime } = model;
  const ends = endTokens(tokenizer);
  return {
    name: 'tunebook',
    promptIds: async (prompt) => promptIds(tokenizer, prompt),
    answer: async (ids, maxNewTokens) => {
      const { newTokens, finishReasons } = await generate(model, {
        ...{
          inputIds: [ids],
          maxNewTokens,
          doSample: false,
          useModelDefaults: false,
          eosTokenId: ends,
          dtype: 'float32',
        },
        padTokenId: tokenizer.padTokenId ?? 0,
      });
      return finishReasons[0] === 'eos' ? newTokens[0].slice(0, -1) : newTokens[0];
    },
    logProbabilities: async (ids, positions) => {
      runtime.requireFree('export');
      const { shape, ids: checked, mask } = checkedInputs(runtime.architecture, { inputIds: [ids] });
      const batch = { shape, attentionMask: mask };
      const rows = Int32Array.from({ length: positions }, (_, i) => ids.length - positions + i);
      const data = await runtime.inWorkspace(async (workspace) => {
        const hidden = await hiddenStates(runtime, { batch, ids: checked, rows, workspace });
        return ((await headLogits(runtime, hidden)).data as Float32Array).slice();
      });
      const { vocabSize } = runtime.architecture;
      return Array.from({ length: positions }, (_, i) =>
        logSoftmax(data.subarray(i * vocabSize, (i + 1) * vocabSize)),
      );
    },
  };
}
