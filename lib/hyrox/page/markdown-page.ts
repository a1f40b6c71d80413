/** Feedback as Markdown, for a message, a repository, or a page of your own. */
import { amountText } from '../evidence/names';
import type { RaceEvidence } from '../evidence/types';
import type { Feedback } from '../feedback/types';
import { gapText } from './page-figures';
import { partsOf } from './marked-text';
import { requirePage } from './page-arguments';
import type { FeedbackPageOptions } from './page-arguments';
import { fillWords, wordsOf } from './page-words';

/** Feedback on one race with a table of its segments, its sources, and the basis of the comparison. */
export function feedbackMarkdown(
  evidence: RaceEvidence,
  feedback: Feedback,
  options: FeedbackPageOptions = {},
): string {
  requirePage('feedbackMarkdown', { evidence, feedback, options });
  const words = wordsOf(options.lang);
  const { segments, groups, notes } = evidence;
  const amount = (value: number): string => amountText(value, evidence);
  const paragraphs = feedback.paragraphs
    .filter(({ kind }) => kind !== 'note')
    .map((one) => {
      const text = partsOf(one, words)
        .map((part) => (part.mark === undefined ? part.text : `⚠ ${part.text} **(${part.mark})**`))
        .join('');
      return one.kind === 'verdict' || one.title === '' ? text : `**${one.title}.** ${text}`;
    });
  const rows = segments.map(
    ({ name, own, peers, line }) =>
      `| ${inCell(name)} | ${amount(own)} | ${amount(peers.median)} | ${gapText(peers.gap, evidence, words)} | ${peers.percentile} % | ${line} |`,
  );
  const cited = feedback.citations.map(
    ({ id, title, text, source }) =>
      `- [${id}] ${title === undefined ? '' : `*${title}.* `}${text}${source === undefined ? '' : ` (${source})`}`,
  );
  const { data } = options;
  const rest = [
    ...(data === undefined ? [] : [fillWords(words.data, { data })]),
    fillWords(words.peers, { count: groups.peers.count, people: groups.peers.words }),
    ...notes,
    ...(options.notes ?? []),
  ];
  return [
    `# ${feedback.headline}`,
    ...paragraphs,
    [
      `| ${words.tableHead[1]} | ${words.tableHead[2]} | ${fillWords(words.tablePeers, { count: groups.peers.count })} | ${words.tableGap} | ${words.tableAhead} | # |`,
      '| --- | ---: | ---: | ---: | ---: | ---: |',
      ...rows,
    ].join('\n'),
    `## ${words.sources}`,
    cited.join('\n'),
    rest.join(' '),
    '',
  ].join('\n\n');
}

function inCell(text: string): string {
  return text.replace(/[\\|]/g, (mark) => `\\${mark}`);
}
