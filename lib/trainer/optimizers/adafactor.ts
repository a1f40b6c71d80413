/**
 * Adafactor (Shazeer & Stern 2018): the squared gradients of a matrix are reduced to the means of its rows and columns,
 * so the state of an [R, C] matrix is R + C numbers. Options, order of operations and defaults are those of
 * transformers' Adafactor. Two passes over each parameter on the host; without `beta1` (a first moment) nothing of a
 * parameter's size is allocated.
 */
import type { Parameter } from '../../models';
import { TunebookError } from '../../types';
import type { Optimizer, OptimizerSetup } from './optimizer-types';

/** What Adafactor takes. */
export interface AdafactorOptions {
  /** Added to squared gradients, and the lower bound of a parameter's scale. Default [1e-30, 1e-3]. */
  readonly epsilon?: readonly [number, number];
  /** Largest root mean square of an update, before the learning rate. Default 1. */
  readonly clipThreshold?: number;
  /** Decay of the squares at step t is 1 - t^decayRate. Default -0.8. */
  readonly decayRate?: number;
  /** Decay of the first moment; default: no first moment. */
  readonly beta1?: number;
  /** Scale steps by the parameter's root mean square. Default false, as Hugging Face's trainer sets it. */
  readonly scaleParameter?: boolean;
  /** Its own learning rate, min(1e-2, 1 / sqrt(t)), instead of the schedule's. Default false, as above. */
  readonly relativeStep?: boolean;
  /** With relativeStep: warm up, min(1e-6 t, 1 / sqrt(t)). Default false. */
  readonly warmupInit?: boolean;
}

/** One parameter's views of the optimizer's state. */
interface Slots {
  readonly rows: Float32Array;
  readonly columns: Float32Array;
  /** Squares of a vector, which is not factored. */
  readonly squares: Float32Array;
  readonly mean: Float32Array;
  readonly gradient: Float32Array;
}

/**
 * @throws TunebookError for parameters of more than two dimensions, and for warmupInit without relativeStep
 */
export function createAdafactor(setup: OptimizerSetup, options: AdafactorOptions = {}): Optimizer {
  const { parameters, gradients, weightDecay } = setup;
  const { beta1, relativeStep = false, warmupInit = false, scaleParameter = false } = options;
  const {
    clipThreshold = 1,
    decayRate = -0.8,
    epsilon: [squareEpsilon, scaleEpsilon] = [1e-30, 1e-3],
  } = options;
  if (warmupInit && !relativeStep)
    throw new TunebookError('Adafactor: expected relativeStep with warmupInit, got warmupInit alone.');
  const { state, slots } = allocateState(parameters, gradients.flat, beta1 !== undefined);

  return {
    name: 'adafactor',
    state,
    stepCount: 0,
    step(learningRate, gradientScale) {
      const t = ++this.stepCount;
      const kept = 1 - t ** decayRate;
      const ownRate = Math.min(warmupInit ? 1e-6 * t : 1e-2, 1 / Math.sqrt(t));
      for (const [i, { data, shape, decay }] of parameters.entries()) {
        const scale = scaleParameter ? Math.max(scaleEpsilon, rootMeanSquare(data)) : 1;
        const rate = scale * (relativeStep ? ownRate : learningRate);
        const { gradient, mean } = slots[i];
        const factors =
          shape.length === 2
            ? matrixFactors(slots[i], { kept, epsilon: squareEpsilon, gradientScale })
            : vectorFactors(slots[i], { kept, epsilon: squareEpsilon, gradientScale });
        const size = Math.sqrt(factors.sumOfSquares / data.length);
        const stepSize = (rate * gradientScale) / Math.max(1, size / clipThreshold);
        const keep = decay ? 1 - weightDecay * rate : 1;
        const { rowFactors, columnFactors } = factors;
        const C = columnFactors.length;
        for (let row = 0; row < rowFactors.length; row++) {
          const rowStep = stepSize * rowFactors[row];
          for (let c = 0, at = row * C; c < C; c++, at++) {
            let update = rowStep * columnFactors[c] * gradient[at];
            if (beta1 !== undefined) update = mean[at] = beta1 * mean[at] + (1 - beta1) * update;
            data[at] = data[at] * keep - update;
          }
        }
      }
      return Promise.resolve();
    },
  };
}

interface Factors {
  /** The update is gradient x rowFactors[row] x columnFactors[column]; a vector is one row. */
  readonly rowFactors: Float64Array;
  readonly columnFactors: Float64Array;
  /** Of all updates before the learning rate. */
  readonly sumOfSquares: number;
}

interface SquareRequest {
  readonly kept: number;
  readonly epsilon: number;
  readonly gradientScale: number;
}

/** Updates the row and column means; 1 / sqrt of a square is estimated as sqrt(mean of rows / (row x column)). */
function matrixFactors({ rows, columns, gradient }: Slots, request: SquareRequest): Factors {
  const { kept, epsilon, gradientScale } = request;
  const [R, C] = [rows.length, columns.length];
  const columnSums = new Float64Array(C);
  let rowMean = 0;
  for (let row = 0; row < R; row++) {
    let sum = 0;
    for (let c = 0, at = row * C; c < C; c++, at++) {
      const square = (gradient[at] * gradientScale) ** 2;
      sum += square;
      columnSums[c] += square;
    }
    rows[row] = kept * rows[row] + (1 - kept) * (sum / C + epsilon);
    rowMean += rows[row] / R;
  }
  const columnFactors = new Float64Array(C);
  for (let c = 0; c < C; c++) {
    columns[c] = kept * columns[c] + (1 - kept) * (columnSums[c] / R + epsilon);
    columnFactors[c] = 1 / Math.sqrt(columns[c]);
  }
  const rowFactors = new Float64Array(R);
  let sumOfSquares = 0;
  for (let row = 0; row < R; row++) {
    rowFactors[row] = Math.sqrt(rowMean / rows[row]);
    let sum = 0;
    for (let c = 0, at = row * C; c < C; c++, at++) sum += (gradient[at] * columnFactors[c]) ** 2;
    sumOfSquares += sum * (rowFactors[row] * gradientScale) ** 2;
  }
  return { rowFactors, columnFactors, sumOfSquares };
}

function vectorFactors({ squares, gradient }: Slots, request: SquareRequest): Factors {
  const { kept, epsilon, gradientScale } = request;
  const columnFactors = new Float64Array(squares.length);
  let sumOfSquares = 0;
  for (let i = 0; i < squares.length; i++) {
    const slope = gradient[i] * gradientScale;
    squares[i] = kept * squares[i] + (1 - kept) * (slope * slope + epsilon);
    columnFactors[i] = 1 / Math.sqrt(squares[i]);
    sumOfSquares += (slope * columnFactors[i]) ** 2;
  }
  return { rowFactors: Float64Array.of(1), columnFactors, sumOfSquares };
}

/** State arrays by transformers' names, each with all parameters' values one after the other. */
function allocateState(
  parameters: readonly Parameter[],
  gradients: Float32Array,
  withMean: boolean,
): { state: Map<string, Float32Array>; slots: Slots[] } {
  const sizes = parameters.map(({ name, shape, data }) => {
    if (shape.length > 2) {
      throw new TunebookError(
        `Adafactor: expected parameters of one or two dimensions, got ${name} of [${shape.join(', ')}].`,
      );
    }
    const [rows, columns] = shape.length === 2 ? shape : [0, 0];
    const isVector = shape.length < 2;
    return {
      rows,
      columns,
      squares: isVector ? data.length : 0,
      mean: withMean ? data.length : 0,
      gradient: data.length,
    };
  });
  const names = {
    rows: 'exp_avg_sq_row',
    columns: 'exp_avg_sq_col',
    squares: 'exp_avg_sq',
    mean: 'exp_avg',
  } as const;
  const state = new Map<string, Float32Array>();
  const views: Record<string, (from: number, to: number) => Float32Array> = {};
  for (const [key, name] of Object.entries(names)) {
    const length = sizes.reduce((total, size) => total + size[key as keyof typeof names], 0);
    const array: Float32Array = new Float32Array(length);
    if (length > 0) state.set(name, array);
    views[key] = (from, to) => array.subarray(from, to);
  }
  views.gradient = (from, to) => gradients.subarray(from, to);
  const offsets: Record<string, number> = {};
  const slots = sizes.map((size) => {
    const view = (key: keyof Slots): Float32Array => {
      const from = offsets[key] ?? 0;
      offsets[key] = from + size[key];
      return views[key](from, offsets[key]);
    };
    return {
      rows: view('rows'),
      columns: view('columns'),
      squares: view('squares'),
      mean: view('mean'),
      gradient: view('gradient'),
    };
  });
  return { state, slots };
}

function rootMeanSquare(values: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] * values[i];
  return Math.sqrt(sum / values.length);
}
