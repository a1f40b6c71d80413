/**
 * A training run as a person watches it: a progress bar and a loss figure that update in place in Jupyter,
 * plain text elsewhere. A callback for the trainer.
 */
import type { LogEntry, TrainerCallback } from '../trainer';
import { VOLATILE, lineFigure, livePlot, progressBar, renderTable, show } from '../display';
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
  return lineFigure(
    series.filter(({ x }) => x.length > 0),
    { title, x: 'step', y: 'loss (nats per token)' },
  );
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
      figure = livePlot();
      note = '';
    },
    onStepEnd({ state, progress }) {
      const speed =
        progress.tokensPerSecond === undefined ? '' : `${Math.round(progress.tokensPerSecond)} tokens/s`;
      bar?.update(state.globalStep, [note, speed].filter((part) => part !== '').join(' · '));
    },
    onLog({ state, entry }) {
      if (entry.loss !== undefined) note = `loss ${entry.loss.toFixed(4)}`;
      figure?.update(lossFigure(state.logHistory, title));
    },
    async onTrainEnd({ state }) {
      bar?.finish(note);
      await figure?.finish(lossFigure(state.logHistory, title));
    },
  };
}
