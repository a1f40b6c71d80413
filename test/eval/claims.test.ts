/** The claim check by hand: what each kind of sentence has to be, and why others are refused. */
import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { checkClaims } from '../../lib/eval';
import type { ClaimEvidence } from '../../lib/eval';

const evidence: ClaimEvidence = {
  lines: [
    {
      id: 1,
      text: 'row: you 4:12, peers 4:02, faster 3:50, ahead of 12 % of peers',
      names: ['row'],
      facts: { you: 252, peers: 242, faster: 230, 'behind peers': 10, 'share of peers': 12 },
      tags: ['slow'],
    },
    {
      id: 2,
      text: 'run 3: you 5:00, peers 5:00',
      names: ['run 3'],
      facts: { you: 300, peers: 300 },
      tags: [],
    },
    { id: 3, text: 'Too few women finished within 3 % of you (7).', names: [], facts: {}, tags: [] },
  ],
  passages: [
    {
      id: 4,
      text: 'Sit tall, push with the legs and let the handle follow the hips. Row 5 times 500 metres.',
    },
    { id: 5, text: 'Take short steps.' },
  ],
  phrases: {
    terms: {
      you: { words: ['you'], form: 'amount' },
      peers: { words: ['your peers', 'peers'], form: 'amount' },
      faster: { words: ['the next level'], form: 'amount' },
      'behind peers': { words: ['behind your peers'], form: 'amount' },
      'share of peers': { words: ['your peers'], form: 'percent' },
      slow: { words: ['slow'] },
      strength: { words: ['a strength'] },
    },
    anywhere: ['you'],
    names: { row: ['rowing'] },
    units: ['seconds'],
    clauses: ['and'],
  },
};

const reasons = (answer: string): string[] =>
  checkClaims(answer, evidence).claims.map(({ reason }) => reason);

describe('checkClaims', () => {
  it('accepts figures beside their names, on either side, in any form', () => {
    for (const answer of [
      'The row took you 4:12, your peers 4:02 and the next level 3:50 [1].',
      'The row: 4:12 for you, 4:02 for your peers and 3:50 for the next level. [1]',
      'In rowing you were 10 seconds behind your peers [1], faster than 12 % of your peers [1].',
      'In rowing you were 0:10 behind your peers, ahead of 12 percent of your peers [1].',
      'The row was slow [1].',
      'Run 3 took you 5:00 [2].',
      'The row was slow [1]. You took 4:12 there [1].',
      'Too few women finished within 3 % of you (7) [3].',
      'Sit tall, push with the legs and let the handle follow the hips [4].',
      '# Rowing\n\nTake short steps [5].',
    ])
      assert.deepEqual(reasons(answer).filter(Boolean), [], answer);
  });

  it('says why a sentence is refused', () => {
    const cases: readonly [string, RegExp][] = [
      ['The row took you 4:12.', /^it cites nothing$/],
      ['The row took you 4:12 [9].', /^it cites \[9\], which is not there$/],
      ['You took 4:12 [1].', /^it cites \[1\] and does not name row$/],
      ['The row and run 3 took you 4:12 [1].', /^it names run 3, which the cited line is not about$/],
      ['The row took you 4:02 [1].', /^4:02 is not the cited line's "you"$/],
      ['The row took your peers 3:50 and the next level 4:02 [1].', /^3:50 is not the cited line's "peers"$/],
      ['The row took 4:12 [1].', /^4:12 stands beside no name$/],
      ['In rowing you were 11 seconds behind your peers [1].', /^11 is not the cited line's "behind peers"$/],
      ['In rowing you were 4:02 behind your peers [1].', /^4:02 is not the cited line's "behind peers"$/],
      ['In rowing you beat 13 % of your peers [1].', /^13 is not the cited line's "share of peers"$/],
      ['The row was a strength [1].', /^the cited line does not say "a strength"$/],
      ['On run 3 the next level is far [2].', /^the cited line does not say "the next level"$/],
      ['Row more [1].', /^it says nothing that the cited line could bear out$/],
      ['Take long, slow steps [5].', /^"long", "slow" are not in the cited passage$/],
      ['Row 6 times 500 metres [4].', /^the cited passage does not say 6 500$/],
      [
        'Push the handle with the hips and let tall legs follow [4].',
        /^only \d+ % of it is the cited passage's own words$/,
      ],
      [
        'Sit tall, push with the legs and let the handle follow the hips [5].',
        /are not in the cited passage$/,
      ],
      ['Too few women finished within 7 % of you (3) [3].', /^the cited passage does not say 7 3$/],
    ];
    for (const [answer, reason] of cases) assert.match(reasons(answer)[0], reason, answer);
  });

  it('splits a text into sentences with places and kinds', () => {
    const answer = 'The row was slow [1]. Take short steps. [5]\n\nThe row took you 4:12 [1]!';
    const { claims, supportedShare } = checkClaims(answer, evidence);
    assert.deepEqual(
      claims.map(({ kind, citations, start, end }) => [kind, citations, answer.slice(start, end)]),
      [
        ['statement', [1], 'The row was slow [1].'],
        ['advice', [5], 'Take short steps. [5]'],
        ['figures', [1], 'The row took you 4:12 [1]!'],
      ],
    );
    assert.equal(supportedShare, 1);
    assert.equal(checkClaims('One [1]. The row was slow [1].', evidence).supportedShare, 0.5);
    assert.deepEqual(checkClaims('', evidence), { claims: [], supportedShare: 1 });
  });

  it('refuses what is not an answer or not evidence', () => {
    assert.throws(() => checkClaims(undefined as unknown as string, evidence), /expected an answer, a text/);
    assert.throws(() => checkClaims('x', {} as ClaimEvidence), /hyrox\.claimEvidence/);
  });
});
