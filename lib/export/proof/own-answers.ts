/** The model as tunebook runs it: this side of a comparison. */
import { generate } from '../../generation';
import { checkedInputs, headLogits, hiddenStates } from '../../models';
import type { HasRuntime } from '../../models';
import { promptIds } from '../../tokenizer';
import type { PretrainedTokenizer } from '../../tokenizer';
import type { Responder } from './responder';

/** @param close frees the model */
export function ownResponder(
  model: HasRuntime,
  tokenizer: PretrainedTokenizer,
  close: () => Promise<void>,
): Responder {
  const { runtime } = model;
  const ends = [tokenizer.eosTokenId, tokenizer.endOfTurnTokenId].filter((id) => id !== undefined);
  return {
    name: 'tunebook',
    close,
    promptIds: async (prompt) => promptIds(tokenizer, prompt),
    answer: async (ids, maxNewTokens) => {
      const { newTokens, finishReasons } = await generate(model, {
        ...{ inputIds: [ids], maxNewTokens, doSample: false, useModelDefaults: false, eosTokenId: ends },
        padTokenId: tokenizer.padTokenId ?? 0,
      });
      return finishReasons[0] === 'eos' ? newTokens[0].slice(0, -1) : newTokens[0];
    },
    logProbabilities: async (ids, positions) => {
      const { shape, ids: checked, mask } = checkedInputs(runtime.architecture, { inputIds: [ids] });
      const batch = { shape, attentionMask: mask };
      const data = await runtime.inWorkspace(async (workspace) => {
        const logits = await headLogits(
          runtime,
          await hiddenStates(runtime, { batch, ids: checked, workspace }),
        );
        return (logits.data as Float32Array).slice();
      });
      const { vocabSize } = runtime.architecture;
      return Array.from({ length: positions }, (_, i) => {
        const at = ids.length - positions + i;
        return logSoftmax(data.subarray(at * vocabSize, (at + 1) * vocabSize));
      });
    },
  };
}

function logSoftmax(logits: Float32Array): Float32Array {
  let largest = Number.NEGATIVE_INFINITY;
  for (const logit of logits) largest = Math.max(largest, logit);
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - largest);
  const shift = largest + Math.log(sum);
  return logits.map((logit) => logit - shift);
}
