/**
 * A training run as a person watches it: a progress bar and a loss figure that update in place in Jupyter,
 * plain text elsewhere. A callback for the trainer.
 */
import type { LogEntry, TrainerCallback, TrainerState } from '../trainer';
import {
  VOLATILE,
  cellText,
  isInNotebook,
  lineFigure,
  livePlot,
  progressBar,
  renderTable,
  robustRange,
  show,
} from '../display';
import type { Figure, LivePlot, ProgressBar } from '../display';

/** The training and evaluation loss over the steps of a run's log. */
export function lossFigure(history: readonly LogEntry[], title = 'Loss'): Figure {
  const series = [
    { name: 'training', key: 'loss' },
    { name: 'validation', key: 'eval_loss' },
  ].map(({ name, key }) => {
    const entries = history.filter((entry) => entry[key] !== undefined);
    return { name, x: entries.map((entry) => entry.step), y: entries.map((entry) => entry[key]) };
  });
  const y = 'loss (nats per token)';
  const values = series.flatMap((one) => one.y).filter(Number.isFinite);
  const { high, above, most } = robustRange(values);
  const cut = above === 0 ? y : `${y}; ${above} above, up to ${cellText(most, 3)}`;
  const figure = lineFigure(
    series.filter(({ x }) => x.length > 0),
    { title, x: 'step', y: cut },
  );
  if (above === 0) return figure;
  const low = values.reduce((a, b) => Math.min(a, b));
  const yaxis = { title: { text: cut }, range: [low - 0.05 * (high - low), high] };
  return { ...figure, layout: { ...figure.layout, yaxis } };
}

/** The log, and after it the mean loss of the steps since its last entry: the figure reaches as far as the bar. */
function upToNow({ logHistory, globalStep, epoch, lossSinceLog, stepsSinceLog }: TrainerState): LogEntry[] {
  if (!(stepsSinceLog > 0)) return logHistory;
  return [...logHistory, { step: globalStep, epoch, loss: lossSinceLog / stepsSinceLog }];
}

/** Shows a run while it goes on: pass it to the trainer's `callbacks`. */
export function trainingView(title = 'Training'): TrainerCallback {
  let bar: ProgressBar | undefined;
  let figure: LivePlot | undefined;
  let note = '';
  return {
    onPreflight({ rows }) {
      const { html, text } = renderTable(
        rows.map(([what, value]) => ({ what, value })),
        { caption: `Preflight passed: what this run will take` },
      );
      show({ 'text/html': html, 'text/plain': text }, VOLATILE);
    },
    onTrainBegin({ state }) {
      bar = progressBar({ total: state.maxSteps, start: state.globalStep, label: title });
      figure = livePlot({ draft: true, throttleMs: 0 }); // drawn where the bar is
      note = '';
    },
    onStepEnd({ state, progress }) {
      const speed =
        progress.tokensPerSecond === undefined ? '' : `${Math.round(progress.tokensPerSecond)} tokens/s`;
      const drawn = bar?.update(state.globalStep, [note, speed].filter((part) => part !== '').join(' · '));
      if (drawn === true && isInNotebook()) figure?.update(lossFigure(upToNow(state), title));
    },
    onLog({ state, entry }) {
      if (entry.loss !== undefined) note = `loss ${entry.loss.toFixed(4)}`;
      // In a notebook the step's end has drawn the loss with the bar; a validation loss is new.
      if (!isInNotebook() || entry.loss === undefined) figure?.update(lossFigure(state.logHistory, title));
    },
    async onTrainEnd({ state }) {
      bar?.finish(note);
      await figure?.finish(lossFigure(state.logHistory, title));
    },
  };
}
