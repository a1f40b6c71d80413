/**
 * A small training run as a process of its own, for tests that kill, interrupt or starve it. Its one argument is a
 * ChildRequest in JSON; it prints a line `mark <what> <step>` wherever it is, and the outcome at the end.
 */
import fs from 'node:fs';
import { getPeftModel } from '../../lib/pretrained';
import { LoraConfig } from '../../lib/models';
import { Trainer, TrainingArguments } from '../../lib/trainer';
import type { CallbackContext, TrainerCallback, ArgumentOptions } from '../../lib/trainer';
import { loadOffloaded } from './preflight/offloaded-model';
import type { Offloaded } from './preflight/offloaded-model';
import { examples, smallModel } from './small-model';

export interface ChildRequest {
  readonly kind: 'full' | 'LoRA' | 'offloaded';
  /** Where an offloaded model lies. */
  readonly offloaded?: Offloaded;
  readonly options: ArgumentOptions;
  readonly resume: boolean;
  /** Kill -9 this process at its so many-th file operation inside checkpoint writes. */
  readonly killAtFileOperation?: number;
  /** Ctrl-C in step 3, and again at the so many-th file operation of the checkpoint write that follows. */
  readonly interruptAtFileOperation?: number;
}

/** Arguments of the runs that are killed: short epochs, accumulation, running means across checkpoints. */
export function crashOptions(outputDir: string): ArgumentOptions {
  return {
    outputDir,
    maxSteps: 24, // 11 examples, 2 x 2 a step: epochs of 3 steps, the last one short
    perDeviceTrainBatchSize: 2,
    gradientAccumulationSteps: 2,
    learningRate: 3e-3,
    lrSchedulerType: 'cosine',
    warmupSteps: 3,
    weightDecay: 0.01,
    loggingSteps: 5,
    evalStrategy: 'steps',
    evalSteps: 3,
    saveStrategy: 'steps',
    saveSteps: 2,
    saveTotalLimit: 2,
    groupByLength: true,
    preflight: false,
  };
}

export async function childTrainer(request: ChildRequest, callbacks: TrainerCallback[]): Promise<Trainer> {
  const { offloaded } = request;
  const model = offloaded === undefined ? await smallModel() : await loadOffloaded(offloaded);
  if (request.kind === 'LoRA') getPeftModel(model, new LoraConfig({ r: 2, loraDropout: 0.3, seed: 5 }));
  return new Trainer({
    ...{ model, args: new TrainingArguments(request.options), callbacks },
    ...{ trainDataset: examples, evalDataset: examples.slice(0, 4) },
  });
}

const HOOKS = ['onStepBegin', 'onSubstepEnd', 'onPreOptimizerStep', 'onOptimizerStep', 'onStepEnd'] as const;

/** Prints where the run is, at once and in order. */
function marks(): TrainerCallback {
  const mark = (what: string, step: number): void => void fs.writeSync(1, `mark ${what} ${step}\n`);
  const callback: TrainerCallback = {
    onTrainBegin: ({ state }) => mark('onTrainBegin', state.globalStep),
    onSave: ({ state }) => mark('onSave', state.globalStep),
  };
  for (const hook of HOOKS) callback[hook] = ({ state }: CallbackContext) => mark(hook, state.globalStep);
  return callback;
}

/** Counts what the run does to files while it saves, and does something in the middle of it. */
function inSave(
  at: number,
  act: () => void,
  isMeant: (context: CallbackContext) => boolean,
): TrainerCallback {
  let [isSaving, count] = [false, 0];
  const operations = ['open', 'rename', 'rm', 'mkdir', 'readdir'] as const;
  for (const name of operations) {
    const real = fs.promises[name] as (...args: unknown[]) => Promise<unknown>;
    Object.assign(fs.promises, {
      [name]: (...args: unknown[]) => {
        if (isSaving && ++count === at) act();
        return real(...args);
      },
    });
  }
  return {
    onStepEnd: (context) => void (isSaving = context.control.shouldSave && isMeant(context)),
    onSave: () => void (isSaving = false),
  };
}

/** What happens to the process while it runs, as asked for. */
function accidents({ killAtFileOperation, interruptAtFileOperation }: ChildRequest): TrainerCallback[] {
  const send = (signal: NodeJS.Signals): void => void process.kill(process.pid, signal);
  if (killAtFileOperation !== undefined)
    return [
      inSave(
        killAtFileOperation,
        () => send('SIGKILL'),
        () => true,
      ),
    ];
  if (interruptAtFileOperation === undefined) return [];
  const again = (): void => {
    fs.writeSync(1, 'mark again 3\n');
    send('SIGINT');
  };
  return [
    { onSubstepEnd: ({ state }) => void (state.globalStep === 2 && send('SIGINT')) },
    inSave(interruptAtFileOperation, again, ({ control }) => control.shouldTrainingStop),
  ];
}

async function main(): Promise<void> {
  const request = JSON.parse(process.argv[2]) as ChildRequest;
  const callbacks = [marks(), ...accidents(request)];
  const trainer = await childTrainer(request, callbacks);
  const output = await trainer.train({ resumeFromCheckpoint: request.resume });
  console.log(`outcome ${JSON.stringify(output)}`);
}

if (require.main === module) {
  main().catch((error: unknown) => {
    console.log(`failed ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  });
}
