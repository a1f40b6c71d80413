/** How near a tie two texts part. */
import { ownResponder } from '../../lib/export/proof/own-answers';
import type { HasRuntime } from '../../lib/models';
import type { PretrainedTokenizer } from '../../lib/tokenizer';

/**
 * How much likelier the model's token is than its second one, in nats, where another text leaves its greedy answer.
 * @param texts.here the model's answer
 */
export async function marginOf(
  {
    model,
    tokenizer,
    maxNewTokens,
  }: { model: HasRuntime; tokenizer: PretrainedTokenizer; maxNewTokens: number },
  texts: { readonly prompt: string; readonly here: string; readonly there: string },
): Promise<number> {
  const own = ownResponder(model, tokenizer);
  const { here, there } = texts;
  const ids = await own.promptIds(texts.prompt);
  const answer = await own.answer(ids, maxNewTokens);
  const isCommon = (count: number): boolean =>
    there.startsWith(tokenizer.decode(answer.slice(0, count), { skipSpecialTokens: true }));
  let at = 0;
  while (at < answer.length && isCommon(at + 1)) at++;
  // '1' begins '12' too, which is another token.
  const [mine, theirs] = [here, there].map((one) => tokenizer.encode(one, { addSpecialTokens: false }));
  if (mine.every((id, i) => id === answer[i]))
    at = Math.min(
      at,
      [...mine, -1].findIndex((id, i) => id !== theirs[i]),
    );
  const [row] = await own.logProbabilities([...ids, ...answer.slice(0, at)], 1);
  const [first, second] = [...row].sort((a, b) => b - a);
  return first - second;
}
