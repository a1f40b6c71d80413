/**
 * DPOConfig and ORPOConfig: the arguments of preference training, by TRL's names, validated once.
 */
import { kindOf, TunebookError } from '../../types';
import { lazySchema } from '../../schema';
import { checkArguments } from '../arguments/arguments';
import { valueFaults } from '../arguments/argument-faults';
import type { ArgumentOptions, CheckedArguments } from '../arguments/schema';

const LOSS_TYPES = ['sigmoid', 'hinge', 'ipo', 'robust', 'sft'] as const;

/** The losses of `DPOTrainer`, by TRL's names. */
export type DPOLossType = (typeof LOSS_TYPES)[number];

/** Default of TRL, far below that of other training. */
const LEARNING_RATE = 1e-6;

/** What the arguments of `TrainingArguments` come to where they make no sense for pairs. */
const REFUSED: Readonly<Record<string, string>> = {
  packing: 'expected none, since a pair is two rows of its own; leave it out',
  maxLength: 'expected none; pass it to encodePairs, which reports what it cuts',
  maxPromptLength: 'expected none; pass maxLength to encodePairs, which shortens prompts and reports it',
  truncationMode: 'expected none; pass truncation to encodePairs, which reports what it cuts',
  labelSmoothingFactor:
    "expected none, since it smooths the next token's label; DPOConfig has labelSmoothing for lossType 'robust'",
  dropout: 'expected none; disableDropout says it (default true)',
};

type Refused = 'packing' | 'maxLength' | 'labelSmoothingFactor' | 'dropout';

const orpoSchema = lazySchema((z) =>
  z.object({
    beta: z.number().positive().default(0.1),
    disableDropout: z.boolean().default(true),
  }),
);

const dpoSchema = lazySchema((z) =>
  z.object({
    ...orpoSchema().shape,
    lossType: z.union([z.enum(LOSS_TYPES), z.array(z.enum(LOSS_TYPES)).min(1)]).default('sigmoid'),
    lossWeights: z.array(z.number()).optional(),
    labelSmoothing: z.number().min(0).lt(0.5).default(0),
  }),
);

/** Arguments of ORPO beside those of `TrainingArguments`. */
export interface ORPOArguments {
  /** Weight of the odds ratio beside the cross-entropy (the paper's lambda). Default 0.1. */
  beta?: number;
  /** Train without dropout. Default true. */
  disableDropout?: boolean;
}

/** Arguments of DPO beside those of `TrainingArguments`. */
export interface DPOArguments {
  /** How much a departure from the reference model costs; for 'ipo' the paper's tau. Default 0.1. */
  beta?: number;
  /** Train without dropout. Default true. */
  disableDropout?: boolean;
  /**
   * Default 'sigmoid'; 'robust' is the one with label smoothing. Of a list the weighted sum: ['sigmoid', 'sft'] also
   * learns the chosen answers themselves, which keeps them from becoming rarer along with the rejected ones.
   */
  lossType?: DPOLossType | readonly DPOLossType[];
  /** Of a list of losses, one each. Default 1 each. */
  lossWeights?: readonly number[];
  /** Share of pairs whose sides are swapped, below 0.5; 'robust' only. Default 0. */
  labelSmoothing?: number;
}

/** Options of `DPOConfig`; the default of learningRate is TRL's, 1e-6. */
export type DPOOptions = Omit<ArgumentOptions, Refused> & DPOArguments;
/** Options of `ORPOConfig`; the default of learningRate is TRL's, 1e-6. */
export type ORPOOptions = Omit<ArgumentOptions, Refused> & ORPOArguments;

type CheckedDPO = Required<Omit<DPOArguments, 'lossWeights'>> & Pick<DPOArguments, 'lossWeights'>;
/** Validated options of DPO. */
export type DPOValues = CheckedArguments & CheckedDPO;
/** Validated options of ORPO. */
export type ORPOValues = CheckedArguments & Required<ORPOArguments>;

/**
 * The arguments of a DPO run: those of `TrainingArguments`, and TRL's for DPO.
 * @throws TunebookError that lists all faults: values, unknown names and contradictions
 * @example
 * ```ts
 * import { DPOConfig } from 'tunebook';
 *
 * const args = new DPOConfig({ outputDir: 'outputs/dpo', beta: 0.2, maxSteps: 100 });
 * console.log(args.values.lossType, args.values.learningRate); // sigmoid 0.000001
 * ```
 */
export class DPOConfig {
  readonly values: Readonly<DPOValues>;

  constructor(options: DPOOptions) {
    this.values = checked('DPOConfig', options, dpoSchema(), dpoFaults);
  }
}

/** What contradicts itself. */
function dpoFaults({ lossType, lossWeights, labelSmoothing }: CheckedDPO): string[] {
  const types = [lossType].flat();
  const named = types.map((type) => `'${type}'`).join(', ');
  const faults: string[] = [];
  if (labelSmoothing > 0 && !types.includes('robust'))
    faults.push(
      `labelSmoothing: expected lossType 'robust' with it, got ${named}, whose loss (as TRL has it) takes none.`,
    );
  if (new Set(types).size < types.length) faults.push(`lossType: expected each loss once, got ${named}.`);
  if (lossWeights !== undefined && lossWeights.length !== types.length)
    faults.push(
      `lossWeights: expected one for each of ${named}, got ${lossWeights.length}. Leave it out for 1 each.`,
    );
  return faults;
}

/** The losses of a run, each with its weight. */
export function weightedLosses({
  lossType,
  lossWeights,
}: DPOValues): { lossType: DPOLossType; weight: number }[] {
  return [lossType].flat().map((type, i) => ({ lossType: type, weight: lossWeights?.[i] ?? 1 }));
}

/**
 * The arguments of an ORPO run: those of `TrainingArguments`, and TRL's for ORPO.
 * @throws TunebookError that lists all faults: values, unknown names and contradictions
 * @example
 * ```ts
 * import { ORPOConfig } from 'tunebook';
 *
 * const args = new ORPOConfig({ outputDir: 'outputs/orpo', learningRate: 5e-5, maxSteps: 100 });
 * console.log(args.values.beta); // 0.1
 * ```
 */
export class ORPOConfig {
  readonly values: Readonly<ORPOValues>;

  constructor(options: ORPOOptions) {
    this.values = checked('ORPOConfig', options, orpoSchema(), () => []);
  }
}

/** The own arguments of a method, as its schema has them. */
interface OwnSchema<Own> {
  readonly shape: object;
  safeParse(
    value: unknown,
  ):
    | { readonly success: true; readonly data: Own }
    | { readonly success: false; readonly error: { readonly issues: Parameters<typeof valueFaults>[0] } };
}

function checked<Own extends { readonly disableDropout: boolean }>(
  where: string,
  options: object,
  schema: OwnSchema<Own>,
  rules: (own: Own) => string[],
): Readonly<CheckedArguments & Own> {
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw new TunebookError(
      `${where}: expected options { outputDir, ... }, got ${kindOf(options)}. Pass { outputDir: 'outputs/run' }.`,
    );
  const names = Object.keys(schema.shape);
  const given = Object.entries(options);
  const own = Object.fromEntries(given.filter(([name]) => names.includes(name)));
  const refused = given.filter(([name, value]) => Object.hasOwn(REFUSED, name) && value !== undefined);
  const rest = Object.fromEntries(
    given.filter(([name]) => !names.includes(name) && !Object.hasOwn(REFUSED, name)),
  ) as ArgumentOptions;
  const parsed = schema.safeParse(own);
  const { values, faults } = checkArguments({ learningRate: LEARNING_RATE, ...rest }, names);
  const all = [
    ...refused.map(([name]) => `${name}: ${REFUSED[name]}.`),
    ...(parsed.success ? rules(parsed.data) : valueFaults(parsed.error.issues, own)),
    ...faults,
  ];
  if (!parsed.success || values === undefined || all.length > 0)
    throw new TunebookError(`${where}:\n${all.map((fault) => `- ${fault}`).join('\n')}`);
  return Object.freeze({ ...values, dropout: !parsed.data.disableDropout, ...parsed.data });
}
