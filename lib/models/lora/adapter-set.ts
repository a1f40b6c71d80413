/**
 * The adapters on a model: any number by name, one or none of them in use.
 */
import { TunebookError } from '../../types';
import type { WeightState } from '../weights/weight-state';
import type { LoraAdapter } from './lora';

export class AdapterSet {
  private readonly byName = new Map<string, LoraAdapter>();
  private activeName: string | undefined;
  private isDisabled = false;

  constructor(
    private readonly state: WeightState,
    private readonly hooks: {
      /** Called before an adapter comes into use for the first time. */
      readonly onAdd: (adapter: LoraAdapter) => void;
      /** Called whenever another adapter, or none, comes into use. */
      readonly onChange: () => void;
    },
  ) {}

  get names(): string[] {
    return [...this.byName.keys()];
  }

  /** Name of the adapter in use. */
  get inUse(): string | undefined {
    return this.isDisabled ? undefined : this.activeName;
  }

  get active(): LoraAdapter | undefined {
    return this.inUse === undefined ? undefined : this.byName.get(this.inUse);
  }

  /** Numbers that all adapters add to the base. */
  get addedCount(): number {
    return [...this.byName.values()].reduce((total, adapter) => total + adapter.addedCount, 0);
  }

  /** Puts an adapter on, in use at once; one of the same name is replaced. */
  add(name: string, adapter: LoraAdapter): void {
    this.state.change();
    this.hooks.onAdd(adapter);
    this.byName.set(name, adapter);
    this.select(name);
  }

  /** @throws TunebookError where no adapter has that name */
  use(name: string): void {
    this.requireKnown(name);
    this.state.requireIdle();
    this.select(name);
  }

  /**
   * Takes another adapter into use while calls are being computed, as only whoever computes them may.
   * @param name of an adapter on the model; undefined: the model without adapters
   */
  select(name: string | undefined): void {
    this.activeName = name ?? this.activeName;
    this.isDisabled = name === undefined;
    this.hooks.onChange();
  }

  /** Whether the adapter in use counts. */
  setEnabled(isEnabled: boolean): void {
    this.state.requireIdle();
    this.isDisabled = !isEnabled;
    this.hooks.onChange();
  }

  /** @throws TunebookError where no adapter has that name */
  delete(name: string): void {
    this.requireKnown(name);
    this.state.change();
    this.byName.delete(name);
    if (this.activeName === name) this.activeName = this.names[0];
    this.hooks.onChange();
  }

  clear(): void {
    this.state.change();
    this.byName.clear();
    this.activeName = undefined;
    this.isDisabled = false;
    this.hooks.onChange();
  }

  private requireKnown(name: string): void {
    if (this.byName.has(name)) return;
    const known = this.names.length > 0 ? this.names.join(', ') : 'none at all';
    throw new TunebookError(`model: expected an adapter on the model (${known}), got '${name}'.`);
  }
}
