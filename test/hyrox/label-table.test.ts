/** Rows of a table, chosen by number. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { selectRows } from '../../lib/hyrox';
import type { LabelTable } from '../../lib/hyrox';
import { TunebookError } from '../../lib/types';

const table: LabelTable = {
  size: 3,
  groups: { gender: ['0', '1', '0'] },
  segments: { swim: Float64Array.of(10, 20, 30), run: Float64Array.of(1, 2, 3) },
  target: Float64Array.of(11, 22, 33),
  targetName: 'total',
  unit: 'seconds',
};

describe('selectRows', () => {
  it('takes all columns in the order of the rows, a row twice where it is named twice', () => {
    assert.deepEqual(selectRows(table, [2, 0, 2]), {
      size: 3,
      groups: { gender: ['0', '0', '0'] },
      segments: { swim: Float64Array.of(30, 10, 30), run: Float64Array.of(3, 1, 3) },
      target: Float64Array.of(33, 11, 33),
      targetName: 'total',
      unit: 'seconds',
    });
    assert.equal(selectRows(table, []).size, 0);
  });

  it('names a row that is not there', () => {
    for (const row of [3, -1, 0.5, NaN])
      assert.throws(
        () => selectRows(table, [0, row]),
        (error) => error instanceof TunebookError && error.message.includes(`from 0 to 2, got ${row}`),
      );
  });
});
