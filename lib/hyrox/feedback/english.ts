/**
 * All words of the feedback, in English: sentences, names with their articles, and the phrases by which the claim check
 * knows what a figure is of. Another language is another file of this shape.
 *
 * Rules for a sentence: a figure stands in its own clause with its name ("you", "your peers", "the next level",
 * "expected", ...), before it or behind it; a segment is called by its name, or the sentence follows one that did; no other
 * word is the name of a segment in some sport ("run", "row", "swim").
 */
import { listWords } from './sentences';
import type { FeedbackTexts } from './types';

const YOU = ['you', 'yourself', 'now', 'your time'];
const PEERS = ['your peers', 'peers', 'athletes of your speed'];
const FASTER = ['the next level', 'next level', 'faster athletes', 'athletes one level up'];
const FIELD = ['your field', 'your sex and age'];

const each = (words: readonly string[], frames: readonly string[]): string[] =>
  words.flatMap((word) => frames.map((frame) => frame.replace('*', word)));
const BEHIND = ['behind *', 'slower than *', 'more than *', 'longer than *', 'lost to *', 'over *'];
const AHEAD = ['ahead of *', 'faster than *', 'quicker than *', 'less than *', 'under *', 'gained on *'];

/** Words of English feedback. */
export const ENGLISH: FeedbackTexts = {
  language: 'en',
  titles: {
    verdict: 'Your race',
    strengths: 'What went well',
    reach: 'What it is worth',
    change: 'Since your last race',
    focus: 'The next four weeks',
    note: 'About the comparison',
  },
  headlines: {
    slower: [
      '{finish}: {residual} slower than expected',
      '{finish}, and a faster race was in you',
      '{finish}: the time went {atFirst}',
    ],
    close: [
      '{finish}: close to expectation',
      '{finish}, close to what was expected',
      '{finish}: a solid race with room {atFirst}',
    ],
    outperformed: [
      '{finish}: {residual} better than expected',
      '{finish}, well ahead of expectation',
      '{finish}: you outdid the prediction',
    ],
  },
  verdict: {
    slower: [
      'You finished in {finish}, {residual} slower than expected: with your strengths, {expected} was expected {cite}.',
      'Your finish of {finish} is {residual} slower than expected; the rest of your race pointed to the expected {expected} {cite}.',
      'The race took you {finish}, where {expected} was expected: that is {residual} slower than expected {cite}.',
      'You crossed the line in {finish}, {residual} slower than expected, and the expected {expected} is still yours to take {cite}.',
    ],
    close: [
      'You finished in {finish}, close to the {expected} that was expected of you {cite}.',
      'Your finish of {finish} is close to the expected {expected} {cite}.',
      'The race took you {finish}, close to the expected {expected} {cite}.',
      'You crossed the line in {finish}, and the expected {expected} was close to it: a race in line with what you can do {cite}.',
    ],
    outperformed: [
      'You finished in {finish}, {residual} faster than expected: well done, you outperformed the expected {expected} {cite}.',
      'What a race: you crossed the line in {finish}, {residual} faster than expected {cite}.',
      'Your finish of {finish} is {residual} faster than expected, so you clearly outperformed the expected {expected} {cite}.',
      'The race took you {finish} where {expected} was expected, and that is {residual} faster than expected {cite}.',
    ],
  },
  standing: [
    'That finish is ahead of {shareAll}, {count} athletes of your sex and age {cite}.',
    'Of the {count} athletes of your sex and age, you finished ahead of {percentAll} {cite}.',
    'Of {count} athletes of your sex and age, {percentAll} finished behind you {cite}.',
  ],
  well: [
    '{The} <was|were> a strength: {gap} faster than your peers, and ahead of {sharePeers} {cite}.',
    'You can be proud of {the}, a strength with {own} for you and {peers} for your peers {cite}.',
    '{The} <was|were> strong, {gap} ahead of your peers {cite}.',
    'Well done {at}: you were ahead of {sharePeers}, a real strength {cite}.',
    'Keep {the} as <it is|they are>, a strength that puts you ahead of {sharePeers} {cite}.',
  ],
  best: [
    'Your best segment was {the}, ahead of {sharePeers} {cite}.',
    'You did best {at}, ahead of {sharePeers} {cite}.',
    'Of all segments, you did best {at}: {own} for you and {peers} for your peers {cite}.',
  ],
  win: {
    direct: [
      '{The} <is|are> where {most} is to be won: {own} for you, {peers} for your peers and {faster} for the next level {cite}.',
      '{The} cost<s|> you {own}: {gapPeers} more than your peers, and {gapFaster} more than the next level {cite}.',
      '{Most} is to be won {at}: you took {own}, your peers {peers} and the next level {faster} {cite}.',
      'There is time to be won {at}: {own} for you, {peers} for your peers and {faster} for the next level {cite}.',
      'You lose time {at}, with {own} for you, {peers} for your peers and {faster} for the next level {cite}.',
      'Look at {the}, where you lose time: you took {own}, and that is {gapPeers} more than your peers and {gapFaster} more than the next level {cite}.',
    ],
    gentle: [
      '{The} hold<s|> time to be won: you took {own}, your peers {peers} and the next level {faster} {cite}.',
      'The good news: there is time to be won {at}, with {own} for you, {peers} for your peers and {faster} for the next level {cite}.',
      'There is time to be won {at}: you took {own}, which is {gapPeers} slower than your peers, and {gapFaster} slower than the next level {cite}.',
      'A little work {at} goes a long way, for there is room to gain: {own} for you, {peers} for your peers and {faster} for the next level {cite}.',
      '{The} offer<s|> room to gain: your peers took {peers}, the next level {faster} and you {own} {cite}.',
    ],
    steady: [
      '{The} <comes|come> next, with time to be won: {own} for you, {peers} for your peers and {faster} for the next level {cite}.',
      'You took {own} {at}, and there is time to be won: {gapPeers} more than your peers and {gapFaster} more than the next level {cite}.',
      'There is time to be won {at}: your peers took {peers}, the next level {faster} and you {own} {cite}.',
      '{The} offer<s|> room to gain: {own} for you, {peers} for your peers and {faster} for the next level {cite}.',
      'You have room to gain {at}: you took {own}, and that is {gapPeers} more than your peers and {gapFaster} more than the next level {cite}.',
    ],
    celebrate: [
      'If you want more, there is time to be won {at}: {own} for you, {peers} for your peers and {faster} for the next level {cite}.',
      'Even so, there is time to be won {at}: your peers took {peers}, the next level {faster} and you {own} {cite}.',
      '{The} still hold<s|> time to be won: you took {own}, your peers {peers} and the next level {faster} {cite}.',
      'For the next step, {the} offer<s|> room to gain: {own} for you, {peers} for your peers and {faster} for the next level {cite}.',
    ],
  },
  winAlone: [
    'There is time to be won {at}: you took {own}, the next level {faster} {cite}.',
    'There is time to be won {at}: you took {own}, your peers {peers} {cite}.',
    '{The} offer<s|> room to gain: {own} for you, {faster} for the next level {cite}.',
    '{The} offer<s|> room to gain: {own} for you, {peers} for your peers {cite}.',
  ],
  shares: [
    'You were ahead of {sharePeers} and of {shareFaster} {cite}.',
    'That puts you ahead of {sharePeers} and of {shareFaster} {cite}.',
    'There you were ahead of {sharePeers}, and of {shareFaster} {cite}.',
    'Behind you there were {sharePeers} and {shareFaster} {cite}.',
  ],
  sharesAlone: ['You were ahead of {sharePeers} {cite}.', 'That puts you ahead of {sharePeers} {cite}.'],
  sharesNone: ['All of your peers were faster there {cite}.', 'There, all of your peers were faster {cite}.'],
  reach: [
    'With the times of your peers {atList}, the finish would be {finish}, a gain of {gain} {cite}.',
    'As fast as your peers {atList}, you would save {gain} and finish in {finish} {cite}.',
    'Match your peers {atList}, and a finish of {finish} is there, a gain of {gain} {cite}.',
  ],
  next: [
    'With the times of the next level {atList}, the finish would be {finish}, a gain of {gain} {cite}.',
    'What the next level does {atList} would save you {gain}, for a finish of {finish} {cite}.',
    'As fast as the next level {atList}, you would save {gain} and finish in {finish} {cite}.',
  ],
  change: [
    'Your finish is {gained} faster than last time: {own} now, {before} before {cite}.',
    'You finished {gained} faster than last time, in {own} now against {before} before {cite}.',
    'Your finish is {lost} slower than last time: {own} now, {before} before {cite}.',
    'You finished {lost} slower than last time, in {own} now against {before} before {cite}.',
    'Your finish is the same as last time, {same} now and before {cite}.',
  ],
  changeSegment: [
    '{The} <is|are> {gained} faster than last time: {own} now, {before} before {cite}.',
    'You were {gained} faster than last time {at}: {own} now, {before} before {cite}.',
    '{The} <is|are> {lost} slower than last time: {own} now, {before} before {cite}.',
  ],
  focus: {
    direct: ['For the next four weeks, put {focus} {cite}.', 'Four weeks, one order: {focus} {cite}.'],
    gentle: [
      'Four weeks are enough to move something: take {focus} {cite}.',
      'For the next four weeks, take {focus} {cite}.',
    ],
    steady: [
      'In the next four weeks, work on {focus} {cite}.',
      'Give the next four weeks a clear order, {focus} {cite}.',
    ],
    celebrate: [
      'Recover well, then give four weeks to {focus} {cite}.',
      'Enjoy this one; when you train again, spend four weeks on {focus} {cite}.',
    ],
  },
  order: (first, second) => (second === undefined ? `${first} first` : `${first} first and ${second} second`),
  most: 'most time',
  share: (percent, who) => {
    const whose = { peers: 'your peers', faster: 'the next level', all: 'your field' }[who];
    if (percent === 0) return who === 'faster' ? 'nobody at the next level' : `none of ${whose}`;
    return percent === 100 ? `all of ${whose}` : `${percent} % of ${whose}`;
  },
  seconds: (count) => (count === 1 ? '1 second' : `${count} seconds`),
  list: (items) => listWords(items, 'and'),
  the: (name) => (/ing$/.test(name) ? name : `the ${name}`),
  at: (name, kind) =>
    /ing$/.test(name) ? `in ${name}` : kind === 'roxzone' ? `in the ${name}` : `on the ${name}`,
  isPlural: (name) => /[^s]s$/.test(name),
  phrases: {
    anywhere: ['you'],
    units: ['seconds', 'second', 's'],
    clauses: ['and', 'while', 'where', 'but', 'against', 'so'],
    names: { finish: ['finished', 'race', 'crossed the line'] },
    terms: {
      you: { words: YOU, form: 'amount' },
      peers: { words: PEERS, form: 'amount' },
      faster: { words: FASTER, form: 'amount' },
      expected: { words: ['expected', 'was expected', 'expected of you'], form: 'amount' },
      'slower than expected': { words: ['slower than expected'], form: 'amount' },
      'faster than expected': { words: ['faster than expected', 'better than expected'], form: 'amount' },
      'behind peers': { words: each(PEERS, BEHIND), form: 'amount' },
      'behind faster': { words: each(FASTER, BEHIND), form: 'amount' },
      'ahead of peers': { words: each(PEERS, AHEAD), form: 'amount' },
      'ahead of faster': { words: each(FASTER, AHEAD), form: 'amount' },
      'share of peers': { words: PEERS, form: 'percent' },
      'share of faster': { words: FASTER, form: 'percent' },
      'share of all': { words: FIELD, form: 'percent' },
      'count of all': { words: FIELD, form: 'count' },
      'count of peers': { words: PEERS, form: 'count' },
      'count of faster': { words: FASTER, form: 'count' },
      'none of peers': { words: each(PEERS, ['none of *', 'all of * were faster']) },
      'none of faster': { words: each(FASTER, ['none of *', 'nobody at *']) },
      'none of all': { words: each(FIELD, ['none of *']) },
      'all of peers': { words: each(PEERS, ['all of *']) },
      'all of faster': { words: each(FASTER, ['all of *']) },
      'all of all': { words: each(FIELD, ['all of *']) },
      finish: { words: ['finish would be', 'finish in', 'finish of', 'finish at'], form: 'amount' },
      gain: { words: ['a gain of', 'would save you', 'would save', 'save'], form: 'amount' },
      before: { words: ['before', 'last time', 'in the last race'], form: 'amount' },
      'faster than before': { words: ['faster than last time', 'faster than before'], form: 'amount' },
      'slower than before': { words: ['slower than last time', 'slower than before'], form: 'amount' },
      unchanged: { words: ['the same as last time'] },
      close: { words: ['close to'] },
      outperformed: { words: ['outperformed'] },
      strength: { words: ['a strength', 'strong', 'real strength', 'strength'] },
      best: { words: ['best segment', 'did best'] },
      'most to win': { words: ['most time'] },
      'time to win': {
        words: [
          ...['is to be won', 'time to be won', 'room to gain', 'lose time', 'costs you', 'cost you'],
          ...['first', 'second'],
        ],
      },
    },
  },
};
