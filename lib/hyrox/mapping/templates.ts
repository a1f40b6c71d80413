/**
 * The sentences of the corrected answers: a plain set with one wording each, and a rich one with several and advice.
 * Where it stands: words only; `answers.ts` chooses and fills them in.
 *
 * Places: {residual} size of the residual, {unit}, {list} segments slower than the peers, {segment} the one that
 * costs most, {behind} how much it costs, {advice} for that segment. Every verdict keeps its key word (slower, close,
 * outperformed) and every list its "improve:", so that the same metrics read both sets.
 */
/** Wordings of each part of an answer. */
export interface AnswerTemplates {
  /** The total is above the usual range of residuals. */
  slower: string[];
  /** Inside. */
  close: string[];
  /** Below. */
  outperformed: string[];
  /** There are segments to list. */
  improve: string[];
  /** There are none. */
  inLine: string[];
  /** About the segment that costs most; left out where empty. */
  cost: string[];
  /** Frame of the advice; left out where empty. */
  advise: string[];
  /** Segment -> pieces of advice. */
  advice: Record<string, string[]>;
}

/** One wording for each verdict, without figures or advice. */
export const PLAIN_TEMPLATES: AnswerTemplates = {
  slower: ['You performed slower than expected.'],
  close: ['You performed close to expected levels.'],
  outperformed: ['You outperformed the prediction.'],
  improve: ['Compared to your peers, you may want to improve: {list}.'],
  inLine: ['No segment falls behind your peers.'],
  cost: [],
  advise: [],
  advice: {},
};

/** Several wordings for each verdict, with figures and advice. */
export const RICH_TEMPLATES: AnswerTemplates = {
  slower: [
    'You were slower than expected, by {residual} {unit}.',
    'At {residual} {unit} over the prediction, this race was slower than expected.',
    'Your finish was {residual} {unit} slower than predicted.',
  ],
  close: [
    'Your finish was close to the prediction.',
    'You performed close to expected levels.',
    'This was close to what was expected of you.',
  ],
  outperformed: [
    'You outperformed the prediction by {residual} {unit}.',
    'Well done: {residual} {unit} under the prediction, you outperformed it clearly.',
    'With {residual} {unit} to spare you outperformed what was expected.',
  ],
  improve: [
    'Compared to your peers, you may want to improve: {list}.',
    'Against athletes of your gender and age, there is time to win; improve: {list}.',
    'Your peers are faster here, so improve: {list}.',
  ],
  inLine: [
    'No segment falls behind your peers.',
    'Nothing to catch up on: every segment holds its own against your peers.',
  ],
  cost: [
    '{segment} costs you most, {behind} {unit} more than your peers.',
    'Most time goes on {segment}: {behind} {unit} more than your peers need.',
    'The largest loss is {segment}, with {behind} {unit} against your peers.',
  ],
  advise: ['For {segment}, {advice}.', 'Advice for {segment}: {advice}.'],
  advice: {
    '1000m Ski': ['hinge at the hips and finish each stroke', 'keep an even stroke rate from the first pull'],
    '50m Sled Push': ['stay low and take short steps', 'practise heavy pushes straight after running'],
    '50m Sled Pull': ['lean back and use the legs, not only the arms', 'practise long ropes without a pause'],
    '80m Burpee Broad Jump': ['step up rather than jump up', 'hold one rhythm from start to end'],
    '1000m Row': ['push with the legs and let the handle follow', 'settle on one pace and hold it'],
    '200m Farmer Carry': ['train the grip and do not put the weights down', 'walk fast with short steps'],
    '100m Sandbag Lunges': ['keep the chest up and the steps even', 'build leg strength with walking lunges'],
    '100 Wall Balls': ['plan your sets before you begin', 'let the legs do the throwing'],
    work_run_time: ['add intervals on tired legs', 'run the first kilometre more patiently'],
    roxzone_time: ['learn the ways in and out beforehand', 'keep jogging between stations'],
  },
};
