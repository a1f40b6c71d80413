/**
 * Token embeddings and heads in an adapter's file: PEFT saves the base's where they were resized or adapted. The
 * model's vocabulary is resized to their rows.
 */
import { TunebookError } from '../../types';
import { sizeOf } from '../../tensor';
import type { Checkpoint, TensorSource } from '../../checkpoint';
import { isTied, storedName } from '../../models';
import type { Architecture, LoraAdapter, ModelWeights } from '../../models';

/** The base's tables in an adapter's file. */
export interface BaseTables {
  /** Stored name of each table of the base, by our name of the parameter. */
  readonly byName: ReadonlyMap<string, string>;
  /** Stored names of such tables, and of PEFT's second copies. */
  readonly passedOver: ReadonlySet<string>;
}

/** PEFT's names of a module's base part, and of the second copy of a trained one. */
const BASE_PARTS = ['base_layer.weight', 'original_module.weight', 'token_adapter.base_layer.weight'];
const SECOND_COPY = 'modules_to_save.weight';

const moduleOf = (parameter: string): string => parameter.slice(0, -'.weight'.length);

/** Token embedding and head with their paths in PEFT, a tied head included. */
function tablePaths(architecture: Architecture): { name: string; path: string }[] {
  const { tokenEmbedding, head } = architecture;
  return [
    { name: tokenEmbedding, path: `base_model.model.${moduleOf(storedName(architecture, tokenEmbedding))}` },
    { name: head, path: 'base_model.model.lm_head' },
  ];
}

/** @param isSaved whether the adapter trains a copy of the module at a path */
export function findBaseTables(
  architecture: Architecture,
  stored: readonly string[],
  isSaved: (path: string) => boolean,
): BaseTables {
  const byName = new Map<string, string>();
  const passedOver = new Set<string>();
  for (const { name, path } of tablePaths(architecture)) {
    const own = isSaved(path) ? [] : ['weight'];
    for (const part of [...BASE_PARTS, ...own].map((part) => `${path}.${part}`)) {
      if (!stored.includes(part)) continue;
      if (!byName.has(name)) byName.set(name, part);
      passedOver.add(part);
    }
    if (stored.includes(`${path}.weight`)) passedOver.add(`${path}.${SECOND_COPY}`);
  }
  return { byName, passedOver };
}

/**
 * Resizes the model's vocabulary to that of an adapter.
 * @throws TunebookError where other adapters are on the model
 */
export async function resizeToAdapter(
  weights: ModelWeights,
  checkpoint: Checkpoint,
  tables: BaseTables,
): Promise<void> {
  const { architecture } = weights;
  const copies = tablePaths(architecture).map(({ path }) => `${path}.weight`);
  const found = [...tables.byName.values(), ...copies].find((name) => checkpoint.has(name));
  const rows = found === undefined ? undefined : checkpoint.info(found).shape[0];
  if (rows === undefined || rows === architecture.vocabSize) return;
  if (weights.adapters.names.length > 0) {
    throw new TunebookError(
      `${checkpoint.folder}: expected an adapter of ${architecture.vocabSize} tokens, as the model has, got one of ` +
        `${rows}. Load it first, or take the other adapters off (deleteAdapter): it gives the model its own size.`,
    );
  }
  console.warn(
    `${checkpoint.folder}: the adapter was made for ${rows} tokens; the model's ${architecture.vocabSize} are resized.`,
  );
  await weights.resizeVocabulary(rows);
}

/** Loads the base's tables of the file into the model, as PEFT does; warns where they differ from the model's own. */
export async function loadBaseTables(
  weights: ModelWeights,
  checkpoint: Checkpoint,
  { tables, knownRows }: { tables: BaseTables; knownRows: number },
): Promise<void> {
  const { width } = weights.architecture;
  for (const [name, stored] of tables.byName) {
    const before = weights.baseParameter(name);
    if (checkpoint.info(stored).shape.join() !== before.shape.join()) {
      throw new TunebookError(
        `${checkpoint.folder}: expected ${stored} of [${before.shape.join(', ')}], got ` +
          `[${checkpoint.info(stored).shape.join(', ')}]. The adapter was made for another base model.`,
      );
    }
    const values: Float32Array = new Float32Array(sizeOf(before.shape));
    await checkpoint.readInto(stored, values);
    if (values.every((value, i) => value === before.data[i])) continue;
    const isOther = values.some((value, i) => i < knownRows * width && value !== before.data[i]);
    if (isOther) {
      console.warn(
        `${checkpoint.folder}: ${stored} differs from the model's own and takes its place, as in PEFT.`,
      );
    }
    weights.setParameter(name, values);
  }
}

/** The base's tables as PEFT saves them with an adapter of another vocabulary. */
export function baseTableSources(weights: ModelWeights, adapter: LoraAdapter): TensorSource[] {
  const { architecture } = weights;
  return tablePaths(architecture).flatMap(({ name, path }, i): TensorSource[] => {
    const isHead = i === 1;
    if (isHead && isTied(architecture)) return [];
    const hasTokens = (isHead ? adapter.headTokens : adapter.embeddingTokens) !== undefined;
    const hasLora = (isHead ? adapter.head : adapter.embedding) !== undefined;
    const [base, original, tokens] = BASE_PARTS;
    const copied = adapter.copyOf(name) === undefined ? 'weight' : original;
    const part = hasTokens ? tokens : hasLora ? base : copied;
    const { shape, data } = weights.baseParameter(name);
    return [{ name: `${path}.${part}`, shape, values: data }];
  });
}
