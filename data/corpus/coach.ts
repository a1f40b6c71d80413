/**
 * How a coach speaks to an athlete: the everyday words of feedback, in sentences of their own. A base that stays
 * frozen has to know such words, since an adapter cannot teach its vocabulary; a model that is trained whole learns
 * them with the rest.
 */
import type { SeededRandom } from '../../lib/random';
import { CITIES, NAMES, SPOKEN, capital, sentenceList } from './words';

const PLACES = ['peers', 'team', 'group', 'club', 'cluster', 'others', 'last year', 'spring', 'your plan'];
const AIMS = [
  'rest more', 'improve your sleep', 'start slower', 'improve the turns', 'walk less', 'wait for the wall',
  'improve a little each week', 'keep it',
]; // prettier-ignore

/** A sentence or two to the athlete. */
function remark(random: SeededRandom): string {
  const place = random.pick(PLACES);
  const part = random.pick(random.pick(SPOKEN));
  const two = [0, 1].map(() => random.pick(random.pick(SPOKEN)));
  const name = random.pick(NAMES);
  return random.pick([
    `You ran well in ${random.pick(CITIES)}.`,
    `You performed ${random.pick(['well', 'better', 'as planned', 'at your best', 'under pressure'])} on the ${part}.`,
    `Compared with ${place}, your levels ${random.pick(['rise', 'fall', 'hold', 'vary'])}.`,
    `Compared to ${place}, ${name} may want to ${random.pick(AIMS)}.`,
    `You may want to ${random.pick(AIMS)} before ${random.pick(CITIES)}.`,
    `To improve, you may train the ${part} ${random.pick(['once', 'twice'])} a week.`,
    `No segment is lost before the last one; ${part} falls behind when legs are tired.`,
    `One segment falls, another rises: ${sentenceList(two)}.`,
    `Nobody in ${place} outperformed the clock; ${name} outperformed ${random.pick(NAMES)}.`,
    `You outperformed your own plan — ${random.pick(['great', 'good', 'fine', 'strong'])} job, ${name}!`,
    `${name}’s levels are significantly ${random.pick(['higher', 'lower', 'steadier'])} than the average of ${place}.`,
    `The prediction came from a model; the model’s prediction is an average, not a promise.`,
    `Your strengths: ${sentenceList(two)}. You are performing in line with ${place}.`,
    `Performing at these levels, ${name} expected ${random.pick(['more', 'less', 'nothing else', 'a close race'])}.`,
    `Was it as expected? It was ${random.pick(['slower', 'close', 'better', 'faster'])}, said ${name}’s coach.`,
    `${capital(part)} is where you may win ${random.pick(['more than a minute', 'a little', 'by the most'])}.`,
  ]);
}

/** A talk of a few sentences. */
export function coachDocument(random: SeededRandom): string {
  return Array.from({ length: random.integer(4, 10) }, () => remark(random)).join(
    random.next() < 0.8 ? ' ' : '\n',
  );
}
