/**
 * The list of a run's callbacks: each hook is called on all of them in order, and awaited.
 */
import type { CallbackContext, TrainerCallback } from './state';

type Hook = keyof TrainerCallback;
/** What a hook is told beside the context that all of them get. */
type Extra<H extends Hook> = Omit<Parameters<NonNullable<TrainerCallback[H]>>[0], keyof CallbackContext>;

export class CallbackList {
  /** @param context is asked at every call, since a new run has a new state */
  constructor(
    private readonly callbacks: readonly TrainerCallback[],
    private readonly context: () => CallbackContext,
  ) {}

  /** From the trainer's constructor, which cannot wait. */
  initEnd(): void {
    for (const callback of this.callbacks) callback.onInitEnd?.(this.context());
  }

  async call<H extends Hook>(hook: H, extra: Extra<H>): Promise<void> {
    if (this.callbacks.length === 0) return;
    const context = { ...this.context(), ...extra };
    for (const callback of this.callbacks) {
      const method = callback[hook] as ((context: CallbackContext) => void | Promise<void>) | undefined;
      await method?.call(callback, context);
    }
  }
}
