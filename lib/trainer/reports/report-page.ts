/**
 * A run's log as one HTML page that opens offline: inline SVG figures, no script, nothing loaded.
 */
import type { CheckedArguments } from '../arguments/schema';
import { escapeHtml, formatDuration, formatSize, lineSvg } from '../../display';
import type { LineFigure } from '../../display';
import type { RunRecord } from './run-log';
import type { TrainerState } from '../state/state';

const GIB = 1024 ** 3;

/** Figures of loss, learning rate, gradient norm, speed and memory over the steps. */
function figures(records: readonly RunRecord[]): LineFigure[] {
  const points = (key: string, unit = 1): (readonly [number, number])[] =>
    records.flatMap((record) =>
      record[key] === undefined ? [] : [[record.step, record[key] / unit] as const],
    );
  const losses = [...new Set(records.flatMap((record) => Object.keys(record)))].filter((key) =>
    /^eval_(.*_)?loss$/.test(key),
  );
  const one = (title: string, key: string, unit?: number): LineFigure => ({
    title,
    series: [{ name: title, points: points(key, unit) }],
  });
  return [
    {
      title: 'Loss (nats per token)',
      series: [
        { name: 'training', points: points('loss') },
        ...losses.map((key) => ({ name: key, points: points(key) })),
      ],
    },
    ...rewardFigures(points),
    one('Learning rate', 'learning_rate'),
    one('Gradient norm', 'grad_norm'),
    one('Speed (tokens/s)', 'tokens_per_second'),
    one('Memory (GiB)', 'memory_bytes', GIB),
  ];
}

/** Of a run on preference pairs: rewards, and how often the chosen answer has the higher one. */
function rewardFigures(points: (key: string) => (readonly [number, number])[]): LineFigure[] {
  const series = (...keys: string[]): LineFigure['series'] =>
    keys.map((name) => ({ name, points: points(name) })).filter((one) => one.points.length > 0);
  const figures = [
    { title: 'Rewards', series: series('rewards/chosen', 'rewards/rejected', 'rewards/margins') },
    { title: 'Reward accuracy', series: series('rewards/accuracies', 'eval_rewards/accuracies') },
  ];
  return figures.filter((figure) => figure.series.length > 0);
}

const STYLE = `:root{color-scheme:light dark}
*{box-sizing:border-box}
body{font:15px/1.5 system-ui,sans-serif;max-width:84em;margin:2em auto;padding:0 1em;overflow-wrap:break-word}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(30em,100%),1fr));gap:1em;margin-top:1.5em} .figures>svg{width:100%;max-width:44em}
svg text{font:12px system-ui,sans-serif;fill:currentColor} svg .title{font-size:14px;font-weight:600}
.end{text-anchor:end} .middle{text-anchor:middle} .grid{stroke:currentColor;stroke-opacity:.15}
table{border-collapse:collapse} td{padding:1px 14px 1px 0;vertical-align:top} td:first-child{opacity:.75} td:last-child{overflow-wrap:anywhere;min-width:8em}
@media (max-width:30em){svg text{font-size:17px} svg .title{font-size:18px}}`;

/** @param name title of the page: the run's folder */
export function reportPage(
  name: string,
  run: { values: CheckedArguments; state: TrainerState; records: readonly RunRecord[] },
): string {
  const { values, state, records } = run;
  const table = (rows: Readonly<Record<string, unknown>>): string =>
    `<table>${Object.entries(rows)
      .map(([key, value]) => `<tr><td>${escapeHtml(key)}</td><td>${escapeHtml(shown(key, value))}</td></tr>`)
      .join('')}</table>`;
  const last = Object.assign({}, ...records) as Record<string, number>;
  const { time } = last;
  const numbers = Object.entries(last).filter(([key]) => !['time', 'step', 'epoch'].includes(key));
  const summary = {
    step: `${state.globalStep} of ${state.maxSteps}`,
    epoch: state.epoch.toFixed(2),
    tokens: state.numInputTokensSeen.toLocaleString('en'),
    time: formatDuration(state.runtimeMs),
    'last entry':
      time === undefined
        ? 'none'
        : `${new Date(time * 1000).toISOString().slice(0, 16).replace('T', ' ')} UTC`,
    ...(state.bestMetric === undefined ? {} : { 'best metric': state.bestMetric }),
    ...Object.fromEntries(numbers),
  };
  return (
    `<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">\n` +
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">\n` +
    `<title>${escapeHtml(name)}</title><style>${STYLE}</style></head>\n<body>\n<h1>${escapeHtml(name)}</h1>\n` +
    `${table(summary)}\n<div class="figures">\n${figures(records)
      .map((figure) => lineSvg(figure))
      .join('\n')}\n</div>\n` +
    `<h2>Arguments</h2>\n${table(values)}\n</body></html>\n`
  );
}

/** A value with the unit in its name. */
function shown(key: string, value: unknown): string {
  if (typeof value === 'number' && /(?:_bytes|^maxMemory)$/.test(key)) return formatSize(value);
  if (typeof value === 'number' && /_runtime$/.test(key)) return formatDuration(1000 * value);
  if (typeof value === 'number' && key.endsWith('Ms')) return formatDuration(value);
  if (typeof value === 'number') return String(Number(value.toPrecision(7)));
  return typeof value === 'string' ? value : JSON.stringify(value ?? null);
}
