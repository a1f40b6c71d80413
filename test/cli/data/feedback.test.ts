/** `tunebook feedback` through the built program: a page, several, Markdown, JSON; what it refuses, and leaves behind. */
import { before, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { JSDOM } from 'jsdom';
import { loadState, loadNewRaces, raceEvidence, raceFeedback } from '../../../lib/hyrox';
import type { RaceFeedback } from '../../../lib/hyrox';
import { TRIATHLON_FOLDER } from '../../../data/triathlon/generate';
import { at, folder, header, races, rows, tunebook } from './feedback-place';
import { CLI } from '../../support/paths';

/** A row with one cell changed. */
function changed(row: string, column: string, value: string): string {
  const place = header.split(',').indexOf(column);
  return row
    .split(',')
    .map((cell, i) => (i === place ? value : cell))
    .join();
}

const one = races('one.csv', rows[1000]);
const files = (): string[] => fs.readdirSync(folder).sort();

before(() => {
  const built = tunebook('dataset', 'build', races('all.csv', ...rows.slice(0, 800)), '-o', 'all.jsonl');
  assert.equal(built.status, 0, built.stderr);
});

describe('tunebook feedback', () => {
  it('writes a page with the figures of the evidence', async () => {
    const run = tunebook('feedback', one, '--state', 'all.state.json', '-o', 'page.html');
    assert.equal(run.status, 0, run.stderr);
    assert.equal(run.stderr, 'Written: page.html\n');
    const { document } = new JSDOM(fs.readFileSync(at('page.html'), 'utf8')).window;
    const state = await loadState(at('all.state.json'));
    const { segments } = raceEvidence(state, loadNewRaces(at(one), state).table);
    assert.deepEqual(
      [...document.querySelectorAll('.sources tbody td:nth-child(5)')].map((cell) => cell.textContent),
      segments.map(({ peers }) => `${peers.percentile} %`),
    );
    assert.match(document.querySelector('.print')?.textContent ?? '', /Data: \d+ races of all\.state\.json/);
  });

  it('gives the same bytes for the same seed, different wording for another', () => {
    for (const [name, seed] of [
      ['again', '42'],
      ['other', '5'],
    ]) {
      const run = tunebook(
        'feedback',
        one,
        '--state',
        'all.state.json',
        '--seed',
        seed,
        '-o',
        `${name}.html`,
      );
      assert.equal(run.status, 0, run.stderr);
    }
    const [first, again, other] = ['page', 'again', 'other'].map((name) =>
      fs.readFileSync(at(`${name}.html`), 'utf8'),
    );
    assert.equal(again, first);
    assert.notEqual(other, first);
  });

  it('writes a page for each of several races, and an index that leads to them', () => {
    const several = races('several.csv', rows[10], rows[1000], rows[2000]);
    const page = tunebook('feedback', several, '--state', 'all.state.json', '-o', 'several.html');
    assert.equal(page.status, 1);
    assert.match(page.stderr, /several\.html: expected a folder for 3 races.* Give -o several\./);
    assert.equal(fs.existsSync(at('several.html')), false);
    const run = tunebook('feedback', several, '--state', 'all.state.json', '-o', 'pages');
    assert.equal(run.status, 0, run.stderr);
    assert.deepEqual(fs.readdirSync(at('pages')).sort(), [
      'index.html',
      'race-1.html',
      'race-2.html',
      'race-3.html',
    ]);
    const { document } = new JSDOM(fs.readFileSync(at('pages/index.html'), 'utf8')).window;
    assert.deepEqual(
      [...document.querySelectorAll('a')].map((link) => link.getAttribute('href')),
      ['race-1.html', 'race-2.html', 'race-3.html'],
    );
  });

  it('compares with the sample where no state is given, and says so', () => {
    const run = tunebook('feedback', one, '--markdown');
    assert.equal(run.status, 0, run.stderr);
    assert.match(run.stderr, /^No --state: compared with tunebook's sample, which is made up\./);
    assert.match(run.stdout, /Data: tunebook's sample, 2,395 made-up races/);
    assert.match(run.stdout, /^# \d:\d\d:\d\d/);
  });

  it('gives evidence, text and sources as JSON', () => {
    const run = tunebook('feedback', one, '--state', 'all.state.json', '--json', '--previous', one);
    assert.equal(run.status, 0, run.stderr);
    const {
      format,
      version,
      races: found,
    } = JSON.parse(run.stdout) as {
      format: string;
      version: number;
      races: RaceFeedback[];
    };
    assert.deepEqual([format, version, found.length], ['tunebook feedback', 1, 1]);
    const [{ evidence, feedback, data, notes }] = found;
    assert.equal(evidence.segments.length, 10);
    assert.equal(evidence.change?.finish.change, 0);
    assert.deepEqual(notes, []);
    assert.match(data, /races of all\.state\.json/);
    for (const { id } of feedback.citations) assert.ok(feedback.text.includes(`[${id}]`));
  });

  it('works for another sport, by its state', () => {
    const [names, ...results] = fs
      .readFileSync(path.join(TRIATHLON_FOLDER, 'triathlon-sample.csv'), 'utf8')
      .split('\n');
    const built = tunebook(
      'dataset',
      'build',
      path.join(TRIATHLON_FOLDER, 'triathlon-sample.csv'),
      '--mapping',
      path.join(TRIATHLON_FOLDER, 'mapping.json'),
      '-o',
      'tri.jsonl',
    );
    assert.equal(built.status, 0, built.stderr);
    fs.writeFileSync(at('tri.csv'), `${names}\n${results[18]}\n`);
    fs.mkdirSync(at('texts'));
    fs.writeFileSync(
      at('texts/swim.md'),
      '# Swim\n\nLook up every sixth stroke on the swim, and keep the hips high.\n',
    );
    fs.writeFileSync(at('texts/run.txt'), 'It will be hot. Begin the run slower than you can.\n');
    const run = tunebook(
      'feedback',
      'tri.csv',
      '--state',
      'tri.state.json',
      '--documents',
      'texts',
      '-o',
      'tri.html',
    );
    assert.equal(run.status, 0, run.stderr);
    const page = fs.readFileSync(at('tri.html'), 'utf8');
    assert.match(page, /second change/);
    assert.match(page, /Look up every sixth stroke on the swim|Begin the run slower than you can/);
    assert.doesNotMatch(page, /sled|roxzone|T1|T2/);
    assert.doesNotMatch(
      new JSDOM(page).window.document.querySelector('.text ~ .text')?.textContent ?? '',
      /hot/,
    );
    const none = tunebook('feedback', 'tri.csv', '--state', 'tri.state.json', '-o', 'tri2.html');
    assert.match(none.stderr, /There is no advice: no text in coaching is about/);
  });

  it('takes under 3 seconds of processor time', () => {
    const { pid, ...run } = spawnSync(
      process.execPath,
      [
        '-e',
        `process.on('exit', () => { const { user, system } = process.cpuUsage(); console.log('cpu', (user + system) / 1e6); }); require(${JSON.stringify(CLI)})`,
        'feedback',
        one,
        '--state',
        'all.state.json',
        '-o',
        'timed.html',
      ],
      { cwd: folder, encoding: 'utf8' },
    );
    assert.ok(pid > 0);
    assert.equal(run.status, 0, run.stderr);
    assert.ok(Number(/cpu (.*)/.exec(run.stdout)?.[1]) < 3, run.stdout);
  });

  it('requires an output path', () => {
    const run = tunebook('feedback', one);
    assert.equal(run.status, 2);
    assert.match(run.stderr, /expected -o page\.html, -o FOLDER for several races, --json or --markdown/);
  });

  it('leaves nothing behind when it cannot write', () => {
    fs.writeFileSync(at('taken'), '');
    for (const place of ['taken/page.html', 'taken']) {
      const run = tunebook('feedback', one, '--state', 'all.state.json', '-o', place);
      assert.equal(run.status, 1, run.stderr);
      assert.match(run.stderr, /taken/);
      assert.doesNotMatch(run.stderr, /^ +at /m);
    }
    assert.equal(fs.statSync(at('taken')).size, 0);
    assert.deepEqual(
      files().filter((name) => name.endsWith('.tmp')),
      [],
    );
  });
});

describe('what feedback refuses, all races or none', () => {
  const asked = { state: at('all.state.json') };
  const cases: [string, () => Promise<unknown>, RegExp][] = [
    [
      'a race without a time',
      () => raceFeedback(at(races('a.csv', changed(rows[5], '1000m Row', ''), rows[6])), asked),
      /a\.csv, row 2, column "1000m Row": no time\. Fix the file/,
    ],
    [
      'a time that cannot be',
      () => raceFeedback(at(races('b.csv', rows[6], changed(rows[5], 'run_3', '0:00:01'))), asked),
      /b\.csv, row 3, column "run_3": 1 seconds/,
    ],
    [
      'a single race with such a time',
      () => raceFeedback(at(races('c.csv', changed(rows[5], '100 Wall Balls', '5:00:00'))), asked),
      /c\.csv: no row is left of 1: row 2, column "100 Wall Balls": 18000 seconds/,
    ],
    [
      'a sex that is none',
      () => raceFeedback(at(races('d.csv', changed(rows[5], 'gender', 'team'))), asked),
      /row 2, column "gender": expected male or female, got "team"/,
    ],
    [
      'an age group that the state has never seen',
      () => raceFeedback(at(races('e.csv', rows[6], changed(rows[5], 'age_group', '95-99'))), asked),
      /e\.csv, race 2: .*expected "age" to be one that the state has seen \(.*30-34.*\), got "95-99"/,
    ],
    [
      'too few peers, where that is asked',
      () => raceFeedback(at(races('f.csv', rows[0])), { ...asked, fewPeers: 'refuse' }),
      /f\.csv, race 1: .*expected at least 20 races with this finish, got \d+/,
    ],
    [
      'several races beside earlier ones',
      () => raceFeedback(at(races('g.csv', rows[5], rows[6])), { ...asked, previous: at(one) }),
      /expected one race beside --previous, got 2/,
    ],
    [
      'an empty folder of documents',
      async () => {
        fs.mkdirSync(at('empty'), { recursive: true });
        await raceFeedback(at(one), { ...asked, documents: at('empty') });
      },
      /expected \.md, \.txt or \.pdf files in .*empty, got an empty folder/,
    ],
    [
      'a folder of documents that is not there',
      () => raceFeedback(at(one), { ...asked, documents: at('nowhere') }),
      /nowhere cannot be read/,
    ],
    ['no state', () => raceFeedback(at(one), { state: at('nowhere.json') }), /nowhere\.json/],
    [
      'another sport without its state',
      () => raceFeedback(path.join(TRIATHLON_FOLDER, 'triathlon-sample.csv')),
      /expected HYROX results, since no state was given/,
    ],
    [
      'another language',
      () => raceFeedback(at(one), { ...asked, lang: 'xx' }),
      /one of the languages en, got "xx"/,
    ],
  ];
  for (const [what, run, message] of cases)
    it(what, async () => {
      await assert.rejects(run, (error: Error) => {
        assert.equal(error.name, 'TunebookError', error.stack);
        assert.match(error.message, message);
        return true;
      });
    });

  it('widens where peers are few, and says how many there were', async () => {
    const [{ evidence }] = await raceFeedback(at('f.csv'), asked);
    assert.match(evidence.notes.join(' '), /\d+/);
    assert.ok(evidence.groups.peers.count >= 5);
  });

  it('falls back to the rule when a model plans what cannot be filled in, and says so', async () => {
    const said: string[] = [];
    const planned = await raceFeedback(at(one), {
      onNote: (text) => said.push(text),
      ...asked,
      planner: async (races) => races.map(() => '{win spoon}'),
    });
    const [{ feedback, notes }] = await raceFeedback(at(one), asked);
    assert.equal(planned[0].feedback.text, feedback.text);
    assert.match(said.join(), /its plan cannot be used.*spoon/);
    assert.match(planned[0].notes[0], /^A model planned this text/);
    assert.deepEqual(notes, []);
    for (const plan of ['Run faster and eat more spoons.', 'The row took you 1:00 {cite row}.']) {
      const [invented] = await raceFeedback(at(one), { ...asked, planner: async () => [`{best}\n${plan}`] });
      assert.equal(invented.feedback.text, feedback.text, plan);
      assert.equal(invented.notes.length, 1);
    }
    const filled = await raceFeedback(at(one), { ...asked, planner: async () => ['{best}'] });
    assert.equal(filled[0].feedback.paragraphs.length, 1);
    assert.deepEqual(filled[0].notes, [
      'There is no advice: no text in coaching is about ' + filled[0].notes[0].split(' is about ')[1],
    ]);
  });

  it('computes the sums of a file that has none, or a row without; another column it names', async () => {
    const sums = ['total_time', 'work_strength_time', 'roxzone_time', 'work_run_time'];
    const without = (...gone: string[]): string => {
      const kept = header.split(',').flatMap((name, i) => (gone.includes(name) ? [] : [i]));
      const lines = [header, rows[1000]].map((line) => kept.map((i) => line.split(',')[i]).join());
      fs.writeFileSync(at('sums.csv'), `${lines.join('\n')}\n`);
      return 'sums.csv';
    };
    const given = async (file: string): Promise<RaceFeedback[]> =>
      raceFeedback(at(file), { state: at('all.state.json') });
    const whole = await given(one);
    assert.deepEqual(await given(without(...sums)), whole);
    const emptied = sums.reduce((row, name) => changed(row, name, ''), rows[1000]);
    assert.deepEqual(await given(races('emptied.csv', emptied)), whole);
    assert.deepEqual(await given(without('work_run_time', 'run_4')), whole);
    await assert.rejects(given(without('run_4', '1000m Row')), /"run_4", "1000m Row" are missing/);
    await assert.rejects(given(without('total_time', 'run_4')), /"run_4" is missing/);
    await assert.rejects(given(without('age_group')), /"age_group" is missing/);
  });
});
