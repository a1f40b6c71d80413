/** Documents from files, and their chunks: what is read, what is said of files that cannot be, and chunks as LangChain.js's. */
import assert from 'node:assert/strict';
import { promises as fs, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { loadDocuments, locationOf, RecursiveCharacterTextSplitter, titleOf } from '../../lib/retrieval';
import type { SkippedFile } from '../../lib/retrieval';
import { ROOT } from '../support/paths';
import { isError, testRefusals } from '../support/refusals';
import { temporaryFolder } from '../support/temporary-folder';
import { pdfFile } from './pdf-file';

async function folderOf(t: TestContext, files: Record<string, string | Buffer>): Promise<string> {
  const folder = await temporaryFolder(t);
  for (const [name, content] of Object.entries(files)) {
    await fs.mkdir(path.dirname(path.join(folder, name)), { recursive: true });
    await fs.writeFile(path.join(folder, name), content);
  }
  return folder;
}

const MARKDOWN =
  '---\nsegment: 50m Sled Pull\ntopics: [grip, legs]\nlevel: 2\n---\n\n# Sled pull\n\nSit back.\n';

describe('loadDocuments', () => {
  it('reads Markdown with its front matter, text, and PDF by page, sorted by path', async (t) => {
    const folder = await folderOf(t, {
      'b/pull.md': MARKDOWN,
      'a.txt': '\uFEFF\n\nTwo lines\nof text\n',
      'c.pdf': pdfFile(['First page', 'Second page\nwith two lines']),
      'notes.docx': 'not read',
      '.hidden/x.md': 'not read',
    });
    assert.deepEqual(await loadDocuments(folder, { onSkip: () => assert.fail() }), [
      {
        id: 'a.txt',
        pageContent: 'Two lines\nof text',
        metadata: { source: 'a.txt', loc: { lines: { from: 3, to: 4 } } },
      },
      {
        id: 'b/pull',
        pageContent: '# Sled pull\n\nSit back.',
        metadata: {
          ...{ title: 'Sled pull', segment: '50m Sled Pull', topics: ['grip', 'legs'], level: 2 },
          ...{ source: 'b/pull.md', loc: { lines: { from: 7, to: 9 } } },
        },
      },
      {
        id: 'c.pdf#page=1',
        pageContent: 'First page',
        metadata: { source: 'c.pdf', loc: { pageNumber: 1, lines: { from: 1, to: 1 } } },
      },
      {
        id: 'c.pdf#page=2',
        pageContent: 'Second page\nwith two lines',
        metadata: { source: 'c.pdf', loc: { pageNumber: 2, lines: { from: 1, to: 2 } } },
      },
    ]);
  });

  it('reads Windows line ends, and a rule of dashes further down is no front matter', async (t) => {
    const folder = await folderOf(t, {
      'a.md': MARKDOWN.replaceAll('\n', '\r\n'),
      'b.md': 'Text\n\n---\nkey: value\n---\n',
      'c.md': '---\n---\nEmpty matter',
    });
    const [a, b, c] = await loadDocuments(folder);
    assert.equal(a.metadata.segment, '50m Sled Pull');
    assert.deepEqual(locationOf(a), { lines: { from: 7, to: 9 } });
    assert.equal(b.metadata.key, undefined);
    assert.match(b.pageContent, /key: value/);
    assert.deepEqual([c.pageContent, locationOf(c)?.lines.from], ['Empty matter', 3]);
  });

  it('names each file that cannot be read with its reason, and reads the others', async (t) => {
    const whole = pdfFile(['Some text']);
    const folder = await folderOf(t, {
      'good.md': '# Good\n\nText',
      'cut.pdf': whole.subarray(0, 120),
      'scan.pdf': pdfFile(['', '']),
      'part.pdf': pdfFile(['Text', '']),
      'page.pdf': '<!doctype html><p>Not found',
      'latin.txt': Buffer.from('caf\xe9', 'latin1'),
      'empty.md': '---\ntopic: x\n---\n',
      'matter.md': '---\ntopic: [x\n---\nText',
      'list.md': '---\n- x\n---\nText',
    });
    await fs.symlink(path.join(folder, 'nowhere'), path.join(folder, 'gone.md'));
    const skipped: SkippedFile[] = [];
    const documents = await loadDocuments(folder, { onSkip: (one) => skipped.push(one) });
    assert.deepEqual(
      documents.map(({ id }) => id),
      ['good', 'part.pdf#page=1'],
    );
    const reasons = Object.fromEntries(skipped.map(({ file, reason }) => [file, reason]));
    assert.deepEqual(Object.keys(reasons).sort(), [
      ...[
        'cut.pdf',
        'empty.md',
        'gone.md',
        'latin.txt',
        'list.md',
        'matter.md',
        'page.pdf',
        'part.pdf',
        'scan.pdf',
      ],
    ]);
    assert.match(reasons['cut.pdf'], /is no PDF, or a part of it is missing/);
    assert.match(reasons['page.pdf'], /is no PDF/);
    assert.match(reasons['scan.pdf'], /none of its 2 pages has text: a scan\?.*ocrmypdf/);
    assert.match(reasons['part.pdf'], /no text on page 2 /);
    assert.match(reasons['latin.txt'], /not UTF-8/);
    assert.match(reasons['empty.md'], /has no text/);
    assert.match(reasons['matter.md'], /front matter is no YAML/);
    assert.match(reasons['list.md'], /front matter is no list of fields/);
    assert.match(reasons['gone.md'], /cannot be read .*ENOENT/);
  });

  it('refuses a folder that yields nothing, with every reason', async (t) => {
    const empty = await folderOf(t, {});
    await assert.rejects(loadDocuments(empty), isError('got an empty folder', empty));
    const others = await folderOf(t, { 'a.docx': 'x', 'b.json': '{}' });
    await assert.rejects(loadDocuments(others), isError('expected .md, .txt or .pdf', 'only a.docx, b.json'));
    const bad = await folderOf(t, { 'scan.pdf': pdfFile(['']), 'x.txt': ' ' });
    const onSkip = (): void => undefined;
    await assert.rejects(
      loadDocuments(bad, { onSkip }),
      isError('none of the 2 files', 'scan.pdf: none of its 1 pages', 'x.txt: it has no text'),
    );
    await assert.rejects(
      loadDocuments(path.join(empty, 'none')),
      isError('expected a folder', 'there is none'),
    );
  });
});

describe('RecursiveCharacterTextSplitter', () => {
  it('cuts as LangChain.js does', () => {
    const { text, cases } = JSON.parse(readGolden('golden-splits.json')) as {
      text: string;
      cases: { chunkSize: number; chunkOverlap: number; chunks: string[] }[];
    };
    for (const { chunkSize, chunkOverlap, chunks } of cases) {
      const splitter = new RecursiveCharacterTextSplitter({ chunkSize, chunkOverlap });
      assert.deepEqual(splitter.splitText(text), chunks, `${chunkSize}, ${chunkOverlap}`);
    }
  });

  it('keeps the headings in each chunk, in its size, with lines of the file', async (t) => {
    const sentence = 'Keep the arms long and the back flat.';
    const text = `# Rowing\n\n${sentence}\n${sentence}\n\n## Pace\n\n${sentence} ${sentence}\n`;
    const folder = await folderOf(t, { 'row.md': `---\ntopic: row\n---\n${text}` });
    const splitter = new RecursiveCharacterTextSplitter({ chunkSize: 60, chunkOverlap: 0 });
    const chunks = splitter.splitDocuments(await loadDocuments(folder));
    assert.deepEqual(
      chunks.map(({ id, pageContent, metadata }) => [
        id,
        pageContent,
        metadata.topic,
        locationOf({ pageContent, metadata })?.lines,
      ]),
      [
        ['row#1', `# Rowing\n\n${sentence}`, 'row', { from: 6, to: 6 }],
        ['row#2', `# Rowing\n\n${sentence}`, 'row', { from: 7, to: 7 }],
        [
          'row#3',
          '# Rowing\n\n## Pace\n\nKeep the arms long and the back flat.',
          'row',
          { from: 11, to: 11 },
        ],
        ['row#4', `# Rowing\n\n## Pace\n\n${sentence}`, 'row', { from: 11, to: 11 }],
      ],
    );
    for (const { pageContent } of chunks) assert.ok(pageContent.length <= 60, pageContent);
  });

  it('finds no headings in code, in plain texts, or when told not to', () => {
    const code = 'Text\n\n```\n# a comment\n```\n\n# Heading\n\nMore';
    const splitter = new RecursiveCharacterTextSplitter({ chunkSize: 1000 });
    assert.deepEqual(splitter.splitText(code), ['Text\n\n```\n# a comment\n```', '# Heading\n\nMore']);
    assert.deepEqual(splitter.splitText('# Only a heading'), ['# Only a heading']);
    assert.deepEqual(splitter.splitText(' \n '), []);
    const plain = new RecursiveCharacterTextSplitter({ chunkSize: 1000, keepHeadings: false });
    assert.deepEqual(plain.splitText(code), [code]);
    const crowded = `# ${'long '.repeat(20)}\n\n## Short\n\nText of some length here`;
    const small = new RecursiveCharacterTextSplitter({ chunkSize: 40, chunkOverlap: 0 });
    assert.deepEqual(small.splitText(crowded), ['## Short\n\nText of some length here']);
  });

  it('keeps surrogate pairs whole', () => {
    const splitter = new RecursiveCharacterTextSplitter({ chunkSize: 5, chunkOverlap: 0 });
    assert.deepEqual(splitter.splitText('🏃🏃🏃🏃'), ['🏃🏃', '🏃🏃']);
  });

  it('takes the documents of LangChain.js, and those without a place', () => {
    const splitter = new RecursiveCharacterTextSplitter({ chunkSize: 12, chunkOverlap: 0 });
    const document = { pageContent: 'one two\nthree four', metadata: { source: 'x' } };
    assert.deepEqual(splitter.splitDocuments([document]), [
      { pageContent: 'one two', metadata: { source: 'x', loc: { lines: { from: 1, to: 1 } } } },
      { pageContent: 'three four', metadata: { source: 'x', loc: { lines: { from: 2, to: 2 } } } },
    ]);
    assert.equal(titleOf({ pageContent: 'x\n## Row ##\ny', metadata: {} }), 'Row');
  });
});

function readGolden(name: string): string {
  return readFileSync(path.join(ROOT, 'test', 'golden', 'retrieval', name), 'utf8');
}

testRefusals([
  [
    'an overlap as long as the chunk',
    () => new RecursiveCharacterTextSplitter({ chunkSize: 10, chunkOverlap: 10 }),
    /expected a chunkOverlap below chunkSize.*got 10 and 10/,
  ],
  ['a chunk of no size', () => new RecursiveCharacterTextSplitter({ chunkSize: 0 }), /got 0 and 0/],
  ['a folder on the net', () => loadDocuments('https://x.org/docs'), /expected a path on this machine/],
]);
