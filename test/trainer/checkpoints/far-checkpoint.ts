/** A checkpoint that says that its run is far along, as such a run would have written it. */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';

/**
 * Changes a checkpoint's state, and its checksum with it.
 * @param entries entries of the log that such a run would have, the last one at its step
 */
export function setFarAlong(
  checkpoint: string,
  far: { globalStep: number; epochsDone: number; stepInEpoch: number; entries?: number },
): void {
  const file = path.join(checkpoint, 'trainer_state.json');
  const state = JSON.parse(fs.readFileSync(file, 'utf8')) as {
    log_history: unknown[];
    stateful_callbacks: { tunebook: { attributes: Record<string, number> } };
  };
  const { globalStep, epochsDone, stepInEpoch, entries } = far;
  Object.assign(state, { global_step: globalStep });
  if (entries !== undefined) {
    state.log_history = Array.from({ length: entries }, (_, i) => {
      const step = Math.round(((i + 1) * globalStep) / entries);
      return { step, epoch: epochsDone, loss: 1 / step, grad_norm: 0.5, learning_rate: 1e-4 };
    });
  }
  const { attributes } = state.stateful_callbacks.tunebook;
  Object.assign(attributes, { epochs_done: epochsDone, step_in_epoch: stepInEpoch });
  fs.writeFileSync(file, JSON.stringify(state));
  const manifest = path.join(checkpoint, 'checksums.json');
  const sums = JSON.parse(fs.readFileSync(manifest, 'utf8')) as Record<string, string>;
  sums['trainer_state.json'] = createHash('sha256').update(fs.readFileSync(file)).digest('hex');
  fs.writeFileSync(manifest, JSON.stringify(sums));
}
