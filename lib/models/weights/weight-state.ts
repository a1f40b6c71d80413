/** Whether weights may change now, and whether they have: calls that are being computed, and what was kept of earlier ones. */
import { TunebookError } from '../../types';

export class WeightState {
  /** Whether calls are being computed: weights and adapter stay as they are meanwhile. */
  isBusy = false;
  /** Changes of the base's weights for good, those of training excepted. */
  baseChanges = 0;
  private count = 0;

  /**
   * Another number where what the model computes may be another: a change of the base, an adapter that comes or goes, and
   * parameters that were handed out, to be trained or written on. Writing on them later does not count again.
   */
  get version(): number {
    return this.count;
  }

  /** @throws TunebookError while calls are being computed */
  requireIdle(): void {
    if (!this.isBusy) return;
    throw new TunebookError(
      'model: expected no running call of a batch or server on the model, got one: weights and adapters stay as they ' +
        'are until it ends. Wait for its answer, or close the batch or server first.',
    );
  }

  /** Comes before a change. @throws as `requireIdle` */
  change(): void {
    this.requireIdle();
    this.count++;
  }

  /** Comes before a change of the base for good. @throws as `requireIdle` */
  changeBase(): void {
    this.change();
    this.baseChanges++;
  }
}
