/**
 * A run's callbacks: each hook is called on all of them in order and awaited.
 */
import type { CallbackContext, TrainerCallback } from './state';

type Hook = keyof TrainerCallback;
/** Arguments of a hook besides the context. */
type Extra<H extends Hook> = Omit<Parameters<NonNullable<TrainerCallback[H]>>[0], keyof CallbackContext>;

export class CallbackList {
  /** @param context called for every hook, since each run has its own state */
  constructor(
    private readonly callbacks: readonly TrainerCallback[],
    private readonly context: () => CallbackContext,
  ) {}

  /** Called by the trainer's constructor, which cannot await. */
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
