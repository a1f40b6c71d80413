/**
 * Type, unit and default of each argument of a run.
 */
import type { z } from 'zod';
import { lazySchema } from '../../schema';
import { sizeInBytes } from '../../models';
import { optimizerNames } from '../optimizers/optimizers';
import type { OptimizerName } from '../optimizers/optimizers';
import { SCHEDULES } from '../optimizers/schedules';

const STRATEGIES = ['no', 'steps', 'epoch'] as const;
const REPORTS = ['jsonl', 'tensorboard', 'html'] as const;

const MEMORY_SIZE = "expected bytes above 0, as a number or as '3GB' or '3GiB'";

/** The schema of all arguments. */
export const argumentsSchema = lazySchema((z) =>
  z.strictObject({
    /** Folder for checkpoints and trainer_state.json. */
    outputDir: z.string().min(1),
    /** Passes over the data, where maxSteps is not set; may be a fraction. */
    numTrainEpochs: z.number().positive().default(3),
    /** Optimizer steps; -1: numTrainEpochs decides. */
    maxSteps: z.int().default(-1),
    perDeviceTrainBatchSize: z.int().positive().default(8),
    perDeviceEvalBatchSize: z.int().positive().default(8),
    /** Batches per optimizer step. */
    gradientAccumulationSteps: z.int().positive().default(1),
    /** Keep only layer inputs and recompute the rest: less memory, a third more time. */
    gradientCheckpointing: z.boolean().default(false),
    /** 'adamw_8bit' has a quarter of AdamW's state, 'adafactor' almost none. */
    optim: z
      .custom<OptimizerName | (string & {})>((name) => optimizerNames().some((known) => known === name), {
        error: () =>
          `expected one of ${optimizerNames()
            .map((name) => JSON.stringify(name))
            .join('|')}`,
      })
      .default('adamw'),
    learningRate: z.number().min(0).default(5e-5),
    weightDecay: z.number().min(0).default(0),
    adamBeta1: z.number().min(0).lt(1).default(0.9),
    adamBeta2: z.number().min(0).lt(1).default(0.999),
    adamEpsilon: z.number().positive().default(1e-8),
    /** SGD only. */
    momentum: z.number().min(0).lt(1).default(0),
    /** Largest global norm of the gradients; 0: no clipping. */
    maxGradNorm: z.number().min(0).default(1),
    lrSchedulerType: z.enum(SCHEDULES).default('linear'),
    /** Settings of the schedule: numCycles, minLrRate, lrEnd and power, timescale. */
    lrSchedulerKwargs: z
      .strictObject({
        numCycles: z.int().positive().optional(),
        minLrRate: z.number().min(0).max(1).optional(),
        lrEnd: z.number().min(0).optional(),
        power: z.number().positive().optional(),
        timescale: z.number().positive().optional(),
      })
      .default({}),
    /** Steps of warm-up; overrides warmupRatio. */
    warmupSteps: z.int().min(0).default(0),
    /** Warm-up as a share of all steps, rounded up. */
    warmupRatio: z.number().min(0).max(1).default(0),
    loggingStrategy: z.enum(STRATEGIES).default('steps'),
    loggingSteps: z.int().positive().default(10),
    evalStrategy: z.enum(STRATEGIES).default('no'),
    /** Default: loggingSteps. */
    evalSteps: z.int().positive().optional(),
    saveStrategy: z.enum(STRATEGIES).default('steps'),
    saveSteps: z.int().positive().default(500),
    /** Checkpoints to keep; the best one is never deleted. Default: all. */
    saveTotalLimit: z.int().positive().optional(),
    loadBestModelAtEnd: z.boolean().default(false),
    /** Stop after this many evaluations in a row without improvement on the best one. Default: never. */
    earlyStoppingPatience: z.int().positive().optional(),
    /** Least improvement on the best evaluation that resets earlyStoppingPatience. */
    earlyStoppingThreshold: z.number().min(0).default(0),
    /**
     * A key of the evaluation's metrics, 'eval_' may be left out; default 'eval_loss'. With several evaluation sets
     * name one: 'eval_<name>_loss'.
     */
    metricForBestModel: z.string().optional(),
    /** Default: false for a loss, true otherwise. */
    greaterIsBetter: z.boolean().optional(),
    /**
     * Share of each target that is spread over the vocabulary, in training only: evaluation losses stay comparable
     * between runs.
     */
    labelSmoothingFactor: z.number().min(0).lt(1).default(0),
    /** NEFTune: noise of at most alpha / sqrt(tokens x width) on the embeddings, in training. Default: none. */
    neftuneNoiseAlpha: z.number().positive().optional(),
    /** Batch examples of similar lengths: less padding. */
    groupByLength: z.boolean().default(false),
    /** Several examples in one row, each attending only to itself: almost no padding. */
    packing: z.boolean().default(false),
    /** Tokens in a packed row; default: the model's context. */
    maxLength: z.int().positive().optional(),
    /** Drop the last, smaller batch of an epoch. */
    dataloaderDropLast: z.boolean().default(false),
    /** Seed of data order and dropout. */
    seed: z.int().min(0).default(42),
    /** Stop cleanly after this many milliseconds: the step in progress ends and a checkpoint is written. */
    maxTimeMs: z.number().positive().optional(),
    /** Evaluate when a time limit or a signal ends the run early; the figures go to TrainResult.metrics. */
    evalOnStop: z.boolean().default(false),
    /**
     * Memory limit of the process, the model included, in bytes or as '8GB' or '8GiB': the preflight refuses a run that
     * is expected to need more. Default: what the machine and its container have left.
     */
    maxMemory: z
      .union([z.number(), z.string()], { error: MEMORY_SIZE })
      .transform((size, context) => {
        try {
          return sizeInBytes(size);
        } catch {
          context.issues.push({ code: 'custom', message: MEMORY_SIZE, input: size });
          return z.NEVER;
        }
      })
      .optional(),
    /**
     * When memory runs out, run each batch in halves, quarters and so on. Optimizer steps keep the given batch size
     * (Hugging Face's shrink).
     */
    autoFindBatchSize: z.boolean().default(false),
    /** Before the first step, check that everything works and estimate the run's time and memory. */
    preflight: z.boolean().default(true),
    /**
     * Reports to write into loggingDir: 'jsonl' (log.jsonl), 'tensorboard' (event files), 'html' (report.html, opens
     * offline); 'all' or 'none'. log.jsonl comes with each. A resumed run continues them, a new one starts over.
     */
    reportTo: z
      .union([z.enum([...REPORTS, 'all', 'none']), z.array(z.enum(REPORTS))], {
        error: `expected 'all', 'none', ${REPORTS.map((name) => `'${name}'`).join(', ')} or a list of these`,
      })
      .default('none')
      .transform((wanted) => {
        if (wanted === 'none') return [];
        if (wanted === 'all') return [...REPORTS];
        return typeof wanted === 'string' ? [wanted] : wanted;
      }),
    /** Title of report.html. Default: the name of outputDir's folder. */
    runName: z.string().min(1).optional(),
    /** Default: the folder `runs` in outputDir. */
    loggingDir: z.string().min(1).optional(),
    /** Ranks that wait longer for another, in seconds, end all of them with its name. Only for several ranks. */
    ddpTimeout: z.number().positive().default(1800),
    /**
     * Gradients, in MB, that several ranks sum together while the backward pass goes on; the least, unless all are
     * fewer. Infinity sums all of them after it.
     */
    ddpBucketCapMb: z.union([z.number().positive(), z.literal(Infinity)]).default(1),
    /** Apply the model's dropout while training. */
    dropout: z.boolean().default(true),
  }),
);

/** Options of a run; the rest have Hugging Face's defaults. */
export type ArgumentOptions = z.input<ReturnType<typeof argumentsSchema>>;
/** Validated options, with every default filled in. */
export type CheckedArguments = z.output<ReturnType<typeof argumentsSchema>>;
