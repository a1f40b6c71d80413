/** Reading and checking result files: every flaw has a row, a column, a count and the chosen outcome. */
import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { checkRaces } from '../../lib/hyrox/tables/check';
import { FILE_COLUMNS, ROXZONES, RUNS, STATIONS } from '../../lib/hyrox/tables/columns';
import type { Handling, ProblemKind } from '../../lib/hyrox/tables/problems';
import { parseRaces, readRaces } from '../../lib/hyrox/tables/read';
import type { ReadOptions, ReadRaces } from '../../lib/hyrox/tables/read';
import { formatMinutes, formatTime, parseTime } from '../../lib/hyrox/tables/time';

type Row = Record<string, string>;

/** An athlete with plausible times; `change` makes them flawed. */
function athlete(number: number, change: Row = {}): Row {
  const row: Row = { gender: number % 2 === 0 ? 'male' : 'female', age_group: '30-34' };
  const put = (names: readonly string[], seconds: number): number => {
    names.forEach((name) => (row[name] = formatTime(seconds)));
    return names.length * seconds;
  };
  const strength = put(STATIONS, 240 + number);
  const roxzone = put(ROXZONES, 50 + (number % 7));
  const run = put(RUNS, 300 + number);
  row.work_strength_time = formatTime(strength);
  row.roxzone_time = formatTime(roxzone);
  row.work_run_time = formatTime(run);
  row.total_time = formatTime(strength + roxzone + run);
  return { ...row, ...change };
}

function csv(rows: readonly Row[], columns: readonly string[] = FILE_COLUMNS, mark = ','): string {
  return [columns.join(mark), ...rows.map((row) => columns.map((name) => row[name] ?? '').join(mark))].join(
    '\n',
  );
}

function load(text: string | Uint8Array, options: ReadOptions = {}): ReadRaces & { size: number } {
  const bytes = typeof text === 'string' ? new TextEncoder().encode(text) : text;
  const found = parseRaces(bytes, { ...options, file: 'races.csv' });
  const table = checkRaces(found.table, found.log);
  return { ...found, table, size: table.size };
}

const five = [0, 1, 2, 3, 4].map((i) => athlete(i));

describe('parseTime', () => {
  const good: [string, number, string][] = [
    ['0:56:47', 3407, 'h:mm:ss'],
    ['01:02:03', 3723, 'h:mm:ss'],
    ['4:15', 255, 'm:ss'],
    ['75:00', 4500, 'm:ss'],
    ['4:15.5', 255.5, 'm:ss'],
    ['255', 255, 'seconds'],
    [' 0:00:00 ', 0, 'h:mm:ss'],
  ];
  for (const [text, seconds, format] of good) {
    it(`reads "${text}"`, () => assert.deepEqual(parseTime(text), { seconds, format }));
  }
  for (const text of ['', 'DNF', '0:60:00', '0:00:60', '1:2:3', '-0:10', '1:00:00:00', '4:5', 'a:bb:cc']) {
    it(`refuses "${text}"`, () => assert.equal(parseTime(text), undefined));
  }
  it('writes what it reads', () => {
    for (const seconds of [0, 59, 60, 3599, 3600, 12080]) {
      assert.equal(parseTime(formatTime(seconds))?.seconds, seconds);
      assert.equal(parseTime(formatMinutes(seconds))?.seconds, seconds);
    }
  });
});

describe('file formats', () => {
  it('accepts the published form silently', () => {
    const { size, report } = load(csv(five));
    assert.equal(size, 5);
    assert.deepEqual(report.counts, {});
  });

  it('takes other column orders, other case, extra columns, CRLF and blank lines', () => {
    const columns = ['bib', ...[...FILE_COLUMNS].reverse()];
    const text = csv(five, columns).replace('age_group', ' Age_Group ').replaceAll('\n', '\r\n') + '\r\n\r\n';
    const { table, report } = load(text);
    assert.equal(table.size, 5);
    assert.equal(table.seconds['1000m Ski'][3], 243);
    assert.deepEqual(report.extraColumns, ['bib']);
  });

  for (const [mark, shown] of [
    [';', "';'"],
    ['\t', 'a tab'],
    ['|', "'|'"],
  ]) {
    it(`finds and reports the separator ${JSON.stringify(mark)}`, () => {
      const { size, report } = load(csv(five, FILE_COLUMNS, mark));
      assert.equal(size, 5);
      assert.equal(report.delimiter, mark);
      assert.equal(report.counts.delimiter, 1);
      assert.ok(report.problems[0].reason.includes(shown));
    });
  }

  it('takes UTF-8 with a byte-order mark, and UTF-16, and says so', () => {
    const marked = load(new Uint8Array([0xef, 0xbb, 0xbf, ...new TextEncoder().encode(csv(five))]));
    assert.equal(marked.report.encoding, 'utf-8 with BOM');
    assert.equal(marked.size, 5);
    const wide = load(new Uint8Array([0xff, 0xfe, ...Buffer.from(csv(five), 'utf16le')]));
    assert.equal(wide.report.encoding, 'utf-16le');
    assert.equal(wide.size, 5);
    for (const { report } of [marked, wide]) {
      const [{ kind, row, column, handling }] = report.problems;
      assert.deepEqual([kind, row, column, handling], ['encoding', 1, 'gender', 'keep']);
      assert.equal(report.counts.encoding, 1);
    }
  });

  it('accepts Latin-1 and says where', () => {
    const text = csv([five[0], { ...five[1], name: 'José' }, five[2]], ['name', ...FILE_COLUMNS]);
    const { size, report } = load(Buffer.from(text, 'latin1'));
    assert.equal(size, 3);
    assert.equal(report.encoding, 'windows-1252');
    assert.deepEqual(
      [report.problems[0].kind, report.problems[0].row, report.problems[0].column],
      ['encoding', 3, 'name'],
    );
  });

  it('computes a missing sum, or the one missing part, and says so', () => {
    for (const gone of ['total_time', 'work_run_time', 'run_4']) {
      const { table, report } = load(
        csv(
          five,
          FILE_COLUMNS.filter((name) => name !== gone),
        ),
      );
      assert.equal(table.size, 5, gone);
      assert.equal(table.seconds[gone][2], load(csv(five)).table.seconds[gone][2], gone);
      assert.deepEqual([report.problems[0].kind, report.problems[0].column], ['missing-column', gone]);
    }
  });

  it('stops where two parts are missing', () => {
    const columns = FILE_COLUMNS.filter((name) => name !== 'run_4' && name !== '1000m Row');
    assert.throws(() => load(csv(five, columns)), /columns "run_4", "1000m Row" are missing/);
  });

  const hopeless: [string, Uint8Array | string, RegExp][] = [
    ['an empty file', '', /empty file/],
    ['blank lines', '\n\n', /empty file/],
    ['a table of something else', 'name,colour\na,b\n', /expected the columns gender/],
    ['a binary file', new Uint8Array([0x50, 0x4b, 3, 4, 0, 0, 0, 8]), /binary file/],
  ];
  for (const [what, bytes, error] of hopeless) {
    it(`refuses ${what}`, () => assert.throws(() => load(bytes), error));
  }

  it('names a file that is not there', () => {
    assert.throws(() => readRaces('/no/such/races.csv'), /\/no\/such\/races\.csv: cannot be read/);
  });
});

describe('row contents', () => {
  const flaws: { kind: ProblemKind; column: string; change: Row; imputed?: [string, number] }[] = [
    { kind: 'missing-value', column: 'run_3', change: { run_3: '' }, imputed: ['run_3', 302] },
    { kind: 'bad-time', column: 'run_3', change: { run_3: 'DNF' }, imputed: ['run_3', 302] },
    {
      kind: 'zero-time',
      column: '1000m Ski',
      change: { '1000m Ski': '0:00:00' },
      imputed: ['1000m Ski', 242],
    },
    {
      kind: 'impossible-time',
      column: '1000m Ski',
      change: { '1000m Ski': '2:00:00' },
      imputed: ['1000m Ski', 242],
    },
    {
      kind: 'sum-mismatch',
      column: 'total_time',
      change: { total_time: '1:30:00' },
      imputed: ['total_time', 4716],
    },
    { kind: 'bad-gender', column: 'gender', change: { gender: 'x' } },
    { kind: 'bad-age-group', column: 'age_group', change: { age_group: 'adult' } },
    { kind: 'bad-age-group', column: 'age_group', change: { age_group: '' } },
  ];
  for (const { kind, column, change, imputed } of flaws) {
    const rows = [five[0], five[1], athlete(2, change), five[3], five[4], athlete(6), athlete(8)];
    it(`${kind} (${JSON.stringify(change)}): skip, stop, impute and keep`, () => {
      const skipped = load(csv(rows), { onProblem: 'skip' });
      assert.equal(skipped.size, 6);
      const [problem] = skipped.report.problems;
      assert.deepEqual(
        [problem.kind, problem.row, problem.column, problem.handling],
        [kind, 4, column, 'skip'],
      );
      assert.equal(skipped.report.counts[kind], 1);
      assert.throws(() => load(csv(rows), { onProblem: 'stop' }), new RegExp(`row 4, column "${column}"`));
      const filled = load(csv(rows), { onProblem: 'impute' });
      assert.equal(filled.size, 7);
      assert.equal(filled.report.counts[kind], 1);
      if (imputed) {
        const value = filled.table.seconds[imputed[0]][2];
        assert.ok(
          Math.abs(value - imputed[1]) <= 3,
          `${imputed[0]} became ${value}, not about ${imputed[1]}`,
        );
        assert.equal(
          filled.table.seconds.total_time[2],
          [...STATIONS, ...ROXZONES, ...RUNS].reduce((sum, name) => sum + filled.table.seconds[name][2], 0),
        );
      } else {
        assert.equal(filled.table.gender[2], 'male');
        assert.equal(filled.table.ageGroup[2], '30-34');
      }
      const kept = load(csv(rows), { onProblem: 'keep' });
      assert.equal(kept.size, 7);
      assert.equal(kept.report.counts[kind], 1);
    });
  }

  it('duplicates: the second goes, unless kept', () => {
    const text = csv([...five, five[1]]);
    const { size, report } = load(text);
    assert.equal(size, 5);
    assert.deepEqual(
      [report.problems[0].row, report.problems[0].reason],
      [7, 'all times are those of row 3'],
    );
    assert.equal(load(text, { onProblem: 'keep' }).size, 6);
    assert.throws(() => load(text, { onProblem: 'stop' }), /row 7: all times are those of row 3/);
  });

  it('mixed time formats are read, reported and counted', () => {
    const text = csv([five[0], athlete(1, { run_1: '5:01' }), five[2]]);
    const { size, report, table } = load(text);
    assert.equal(size, 3);
    assert.equal(table.seconds.run_1[1], 301);
    assert.deepEqual(
      [report.problems[0].kind, report.problems[0].row, report.problems[0].column],
      ['mixed-format', 3, 'run_1'],
    );
    assert.throws(() => load(text, { handle: { 'mixed-format': 'stop' } }), /written as m:ss/);
  });

  it('rows with too few cells are reported, not guessed', () => {
    const { size, report } = load(`${csv(five)}\nmale,30-34,1:00:00`);
    assert.equal(size, 5);
    assert.equal(report.counts['ragged-row'], 1);
    assert.equal(report.problems[0].reason, 'expected 29 cells, got 3');
  });

  it('takes exceptions by kind', () => {
    const handle: Partial<Record<ProblemKind, Handling>> = { 'zero-time': 'impute' };
    const rows = [five[0], athlete(2, { run_1: '0:00:00' }), athlete(3, { run_2: 'DNS' }), five[4]];
    const { size, report } = load(csv(rows), { handle });
    assert.equal(size, 3);
    assert.deepEqual(
      report.problems.map(({ kind, handling }) => [kind, handling]),
      [
        ['bad-time', 'skip'],
        ['zero-time', 'impute'],
      ],
    );
  });
});
