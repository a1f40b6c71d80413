/**
 * Linear least squares over many rows, by ml-regression-multivariate-linear.
 * Where it stands: the expected finish time of both label makers. X is [rows][features].
 */
import { createRequire } from 'node:module';
import type Regression from 'ml-regression-multivariate-linear';
import { TunebookError, requireList } from '../../types';

/** How well predictions fit. */
export interface FitQuality {
  rows: number;
  /** Mean squared error, in squared units of y. */
  mse: number;
  rmse: number;
  /** 1 - residual / total sum of squares. */
  r2: number;
}

/** A fitted linear regression. */
export interface LinearModel {
  /** One per feature. */
  coefficients: number[];
  intercept: number;
  predict(row: ArrayLike<number>): number;
}

/** Least squares with intercept. */
export function fitLinear(rows: readonly number[][], y: ArrayLike<number>): LinearModel {
  requireList(rows, { where: 'fitLinear', what: 'rows of numbers' });
  requireList(y, { where: 'fitLinear', what: 'a number of each row' });
  if (rows.length === 0 || rows.length <= rows[0].length) {
    throw new TunebookError(
      `fitLinear: expected more rows than features, got ${rows.length} rows for ` +
        `${rows[0]?.length ?? 0} features. Give more athletes, or leave features out.`,
    );
  }
  const MultivariateLinearRegression = createRequire(__filename)(
    'ml-regression-multivariate-linear',
  ) as typeof Regression;
  const fit = new MultivariateLinearRegression(
    rows as number[][],
    Array.from(y, (value) => [value]),
    { statistics: false },
  );
  const weights = fit.weights.map((row) => row[0]);
  const intercept = weights[weights.length - 1];
  const coefficients = weights.slice(0, -1);
  return {
    coefficients,
    intercept,
    predict(row) {
      let sum = intercept;
      for (let j = 0; j < coefficients.length; j++) sum += coefficients[j] * row[j];
      return sum;
    },
  };
}

/** Error of predictions. */
export function fitQuality(y: ArrayLike<number>, predicted: ArrayLike<number>): FitQuality {
  requireList(y, { where: 'fitQuality', what: 'the true numbers' });
  requireList(predicted, { where: 'fitQuality', what: 'the predicted numbers' });
  let mean = 0;
  for (let i = 0; i < y.length; i++) mean += y[i] / y.length;
  let residual = 0;
  let total = 0;
  for (let i = 0; i < y.length; i++) {
    residual += (y[i] - predicted[i]) ** 2;
    total += (y[i] - mean) ** 2;
  }
  const mse = residual / y.length;
  return { rows: y.length, mse, rmse: Math.sqrt(mse), r2: total === 0 ? 0 : 1 - residual / total };
}
