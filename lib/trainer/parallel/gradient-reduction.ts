/**
 * The sum of a step's gradients over the ranks: on the host each part goes out as soon as the backward pass is done with
 * it, and is summed beside the layers that still compute. Gradients on a GPU come to the host, and go back, at the end.
 */
import type { ProcessGroup } from '../../distributed';
import { gradientStages } from '../../models';
import type { Gradients } from '../../models';
import type { CausalLM } from '../../pretrained';

/** A part of `Gradients.flat`, from `start` to before `end`. */
interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * What goes out after each stage of the backward pass; what is too small waits for its neighbours, at the latest for the
 * end. A function of the parameters and the arguments alone: all ranks have the same. Each span is one collective, since
 * JavaScript can begin the next one only between two layers.
 *
 * @param stages Names that each stage completes, see `gradientStages`.
 * @param smallest Values of the smallest span before the end.
 */
export function reductionSpans(
  stages: readonly (readonly string[])[],
  { byName }: Pick<Gradients, 'byName'>,
  smallest: number,
): Span[][] {
  let ready: Span[] = [];
  return stages.map((names, stage) => {
    const added = names.map((name): Span => {
      const view = byName.get(name);
      if (view === undefined) throw new Error(`internal: no gradient of ${name}`);
      const start = view.byteOffset / view.BYTES_PER_ELEMENT;
      return { start, end: start + view.length };
    });
    const spans = joined([...ready, ...added]);
    const goesOut = ({ start, end }: Span): boolean => stage === stages.length - 1 || end - start >= smallest;
    ready = spans.filter((span) => !goesOut(span));
    return spans.filter(goesOut);
  });
}

/** The same values in as few spans as possible, in their order. */
function joined(spans: readonly Span[]): Span[] {
  const all: Span[] = [];
  for (const span of [...spans].sort((a, b) => a.start - b.start)) {
    const before = all.at(-1);
    if (before?.end === span.start) all[all.length - 1] = { start: before.start, end: span.end };
    else all.push(span);
  }
  return all;
}

/** The reduction of one step's gradients. */
export interface GradientReduction {
  /** A stage of the last backward pass is complete on this rank; undefined where gradients are on a GPU. */
  readonly onStage: ((stage: number) => void) | undefined;
  /** This rank has no batch: its gradients are the zeros on the host. */
  onIdle(): void;
  /** Takes part in what is left, whatever became of this rank's backward pass: the others wait for it. */
  finish(): void;
  /** Waits until all gradients are summed. */
  done(): Promise<void>;
}

/**
 * @param bucketMb Size of the smallest span before the end, in MB.
 * @param purpose 'gradients of step 4'
 */
export function gradientReduction(
  group: ProcessGroup,
  request: { model: CausalLM; gradients: Gradients; bucketMb: number; purpose: string },
): GradientReduction {
  const { model, gradients, bucketMb, purpose } = request;
  const { device } = model.engine;
  if (device !== undefined) {
    const arrays = [...gradients.byName.values()];
    let isIdle = false;
    return {
      onStage: undefined,
      onIdle: () => void (isIdle = true),
      finish: () => undefined,
      done: async () => {
        if (!isIdle) await device.download(arrays);
        await group.allReduce(gradients.flat, { purpose });
        await device.overwrite(arrays);
      },
    };
  }
  const spans = reductionSpans(gradientStages(model, gradients), gradients, (bucketMb * 1e6) / 4);
  const sums: Promise<void>[] = [];
  let next = 0;
  const upTo = (stage: number): void => {
    for (; next <= stage; next++)
      for (const { start, end } of spans[next]) {
        const sum = group.allReduce(gradients.flat.subarray(start, end), { purpose });
        // Its error is thrown by `done`.
        sum.catch(() => undefined);
        sums.push(sum);
      }
  };
  return {
    onStage: upTo,
    onIdle: () => undefined,
    finish: () => upTo(spans.length - 1),
    done: async () => void (await Promise.all(sums)),
  };
}
