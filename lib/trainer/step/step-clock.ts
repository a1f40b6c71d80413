/**
 * The clock of a run: elapsed time, estimated rest, and the time limit.
 */
import type { Progress } from '../state/state';

/** Recent steps that the estimate is based on, since lengths and machine load change. */
const WINDOW = 20;

export class StepClock {
  private readonly started = performance.now();
  private last = this.started;
  private readonly recent: { ms: number; tokens: number; reductionMs: number }[] = [];
  private steps = 0;

  constructor(
    private readonly totalSteps: number,
    private readonly maxTimeMs: number | undefined,
    /** Duration of the run before it was resumed, in ms. */
    private readonly beforeMs = 0,
  ) {}

  /** Duration of the whole run, in ms. */
  totalMs(): number {
    return this.beforeMs + performance.now() - this.started;
  }

  /**
   * Records the end of a step.
   * @param reductionMs what of it the reduction of gradients over the ranks took
   */
  tick(tokens: number, reductionMs = 0): void {
    const now = performance.now();
    this.recent.push({ ms: now - this.last, tokens, reductionMs });
    // The first step includes compilation: it is dropped as soon as there is a second one.
    if (this.recent.length > WINDOW || this.steps === 1) this.recent.shift();
    this.last = now;
    this.steps++;
  }

  progress(): Progress {
    const elapsedMs = performance.now() - this.started;
    const ms = this.recent.reduce((total, step) => total + step.ms, 0);
    if (ms === 0) return { elapsedMs };
    const tokens = this.recent.reduce((total, step) => total + step.tokens, 0);
    const reductionMs = this.recent.reduce((total, step) => total + step.reductionMs, 0);
    const perStep = ms / this.recent.length;
    return {
      elapsedMs,
      remainingMs: this.steps < 2 ? undefined : perStep * (this.totalSteps - this.steps),
      tokensPerSecond: (tokens / ms) * 1000,
      ...(reductionMs === 0 ? {} : { reductionShare: reductionMs / ms }),
    };
  }

  timeIsUp(): boolean {
    return this.maxTimeMs !== undefined && performance.now() - this.started >= this.maxTimeMs;
  }
}
