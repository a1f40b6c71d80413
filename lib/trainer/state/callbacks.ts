/**
 * A run's callbacks: each hook is called on all of them in order and awaited.
 */
import type { CallbackContext, TrainerCallback } from './state';

type Hook = keyof TrainerCallback;
/** Arguments of a hook besides the context. */
type Extra<H extends Hook> = Omit<Parameters<NonNullable<TrainerCallback[H]>>[0], keyof CallbackContext>;

export class CallbackList {
  private failure: { readonly error: unknown } | undefined;

  /**
   * @param context called for every hook, since each run has its own state
   * @param holdsErrors an error waits for `rethrow`, and no callback is called after it: other ranks have to hear of it
   */
  constructor(
    private readonly callbacks: readonly TrainerCallback[],
    private readonly context: () => CallbackContext,
    private readonly holdsErrors = false,
  ) {}

  /** Called by the trainer's constructor, which cannot await. */
  initEnd(): void {
    for (const callback of this.callbacks) callback.onInitEnd?.(this.context());
  }

  async call<H extends Hook>(hook: H, extra: Extra<H>): Promise<void> {
    if (this.callbacks.length === 0 || this.failure !== undefined) return;
    const context = { ...this.context(), ...extra };
    try {
      for (const callback of this.callbacks) {
        const method = callback[hook] as ((context: CallbackContext) => void | Promise<void>) | undefined;
        await method?.call(callback, context);
      }
    } catch (error) {
      if (!this.holdsErrors) throw error;
      this.failure = { error };
    }
  }

  /** Throws the error that was held. */
  rethrow(): void {
    const { failure } = this;
    this.failure = undefined;
    if (failure !== undefined) throw failure.error;
  }
}
