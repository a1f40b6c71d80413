/**
 * A model at work: its weights on an engine. Forward passes are in `stack.ts`, training in `train/`, generation in
 * lib/generation; what people hold is `CausalLM` of lib/pretrained.
 */
import { run } from '../../engine';
import type { Engine, TensorFunction } from '../../engine';
import { TunebookError } from '../../types';
import type { HostTensor } from '../../types';
import type { Architecture } from '../families/architecture';
import { checkIds } from './forward-inputs';
import { ModelWeights } from './model-weights';
import type { ModelParts } from './model-parts';
import { withWorkspace } from './workspace';
import type { HostPool, Workspace } from './workspace';

/** Anything that has a runtime: models as people hold them. */
export interface HasRuntime {
  readonly runtime: Runtime;
}

/** A model's weights on an engine, with the arrays that its passes share. */
export class Runtime {
  readonly weights: ModelWeights;
  /** Arrays that passes use one after the other. */
  readonly hostPool: HostPool = new Map();
  /** Content of generation_config.json, where the model came with one. */
  readonly generationConfig: Readonly<Record<string, unknown>> | undefined;
  private disposed = false;
  private holder: object | undefined;

  constructor(
    parts: ModelParts,
    readonly engine: Engine,
  ) {
    this.weights = new ModelWeights(parts, engine);
    this.generationConfig = parts.generationConfig;
  }

  get architecture(): Architecture {
    return this.weights.architecture;
  }

  /**
   * One block on x [B, T, C]; with `past.key` and `past.value` among the feeds, one step on top of a cache.
   * @param options.fn what the block computes; default: the architecture's, without keys and values
   */
  async runBlock(
    layer: number,
    feeds: Record<string, HostTensor>,
    options: { fn?: TensorFunction; into?: Record<string, Float32Array> } = {},
  ): Promise<Record<string, HostTensor>> {
    const { fn = this.architecture.trainingBlock, into } = options;
    const all = { ...feeds, ...(await this.weights.layerFeeds(layer)) };
    if (layer + 1 < this.architecture.layers) this.weights.frozen?.readAhead(layer + 1);
    return run(this.engine, fn, all, { into });
  }

  /** Work with arrays that live as long as it does. */
  inWorkspace<Result>(work: (workspace: Workspace) => Promise<Result>): Promise<Result> {
    return withWorkspace(this, work);
  }

  /** @throws TunebookError where an id is outside the vocabulary or T is over the model's context */
  checkIds(ids: Int32Array, T: number): void {
    checkIds(this.architecture, ids, T);
  }

  /**
   * Gives passes and the choice of the adapter to one alone, until `release`.
   * @throws TunebookError where another has them
   */
  hold(holder: object, where: string): void {
    this.requireFree(where);
    this.holder = holder;
  }

  /** Ends `hold`. */
  release(holder: object): void {
    if (this.holder === holder) this.holder = undefined;
  }

  /** @throws TunebookError where an open batch or server has the model: it changes adapters between any two layers */
  requireFree(where: string): void {
    if (this.holder === undefined) return;
    throw new TunebookError(
      `${where}: expected a model that no open batch or server uses, got one in use: their calls would take each ` +
        "other's adapters. Ask the one that is open, or close it first.",
    );
  }

  /** @throws TunebookError after `dispose()` */
  assertAlive(): void {
    if (this.disposed) throw new TunebookError('model: expected a model in use, got one after dispose().');
  }

  /** Frees the engine's sessions; the model cannot be used any more. */
  async dispose(): Promise<void> {
    if (this.disposed) return;
    this.disposed = true;
    await Promise.all([this.engine.dispose(), this.weights.frozen?.dispose()]);
  }
}
