/** A look at what is learned of examples, before hours are spent on it. */
import { renderMarkedTexts, showHtml } from '../display';
import { requireOptions } from '../options';
import { IGNORED, requireList, requireObject, TunebookError } from '../types';
import type { EncodedExample } from '../types';
import { encodeRecords } from './encode';
import type { DataRecord } from './files/row';
import type { EncodeOptions } from './types';

/** What to show, and by which tokenizer. */
export interface ShowMaskOptions extends Pick<
  EncodeOptions,
  'tokenizer' | 'template' | 'format' | 'trainOn' | 'maxLength' | 'truncation'
> {
  /** Examples to show. Default 5. */
  readonly maxRows?: number;
}

/**
 * Shows examples as text, the tokens that the loss sees in colour (in a terminal between `{+` and `+}`).
 *
 * @param source examples of `encodeRecords` or `packExamples`, or records, which are encoded first
 * @throws TunebookError where there is nothing to show, or records are wrong as for `encodeRecords`
 * @example
 * ```ts
 * import { AutoTokenizer, showMask } from 'tunebook';
 *
 * const tokenizer = await AutoTokenizer.fromPretrained('mistral');
 * const messages = [{ role: 'user', content: 'How was it?' }, { role: 'assistant', content: 'Good.' }];
 * showMask([{ messages }], { tokenizer });
 * ```
 */
export function showMask(
  source: readonly DataRecord[] | readonly EncodedExample[],
  options: ShowMaskOptions,
): void {
  const { html, text } = renderMask(source, options);
  showHtml(html, text);
}

/** As `showMask`: the HTML (escaped) and the text. */
export function renderMask(
  source: readonly DataRecord[] | readonly EncodedExample[],
  options: ShowMaskOptions,
): { html: string; text: string } {
  const where = 'showMask';
  requireList(source, { where, what: 'a list of examples or records' });
  requireObject(options, { where, what: 'options with a tokenizer' });
  requireOptions<ShowMaskOptions>(options, {
    where,
    names: {
      ...{ tokenizer: true, template: true, format: true, trainOn: true },
      ...{ maxLength: true, truncation: true, maxRows: true },
    },
  });
  requireObject(options.tokenizer, {
    ...{ where, what: 'a tokenizer', remedy: 'Pass { tokenizer: await AutoTokenizer.fromPretrained(...) }.' },
    fields: ['encode', 'decode'],
  });
  const { maxRows = 5, ...encoding } = options;
  const shown = source.slice(0, maxRows);
  const examples = shown.every(isExample)
    ? shown
    : encodeRecords(shown as readonly DataRecord[], encoding).examples;
  if (examples.length === 0)
    throw new TunebookError(
      'showMask: expected at least one example, got none. See the report of encodeRecords.',
    );
  const texts = examples.map((example, i) => {
    const learned = example.labels.filter((label) => label !== IGNORED).length;
    const caption = `${i}: ${learned} of ${example.inputIds.length} tokens`;
    return { caption, pieces: piecesOf(example, options.tokenizer.decode.bind(options.tokenizer)) };
  });
  const rest = source.length - shown.length;
  return renderMarkedTexts(
    texts,
    rest > 0 ? `what is learned, in ${shown.length} of ${source.length}` : 'what is learned',
  );
}

function isExample(one: DataRecord | EncodedExample): one is EncodedExample {
  return Array.isArray(one.inputIds) && Array.isArray(one.labels);
}

/** Runs of tokens that are learned, or are not. */
function piecesOf(
  { inputIds, labels }: EncodedExample,
  decode: (ids: readonly number[]) => string,
): { text: string; isMarked: boolean }[] {
  const pieces: { text: string; isMarked: boolean }[] = [];
  let before = '';
  for (let start = 0, end = 0; start < inputIds.length; start = end) {
    const isMarked = labels[start] !== IGNORED;
    end = start + 1;
    while (end < inputIds.length && (labels[end] !== IGNORED) === isMarked) end++;
    // A token's text depends on what stands before it: blanks, halves of characters.
    const whole = decode(inputIds.slice(0, end));
    pieces.push({ text: whole.slice(before.length), isMarked });
    before = whole;
  }
  return pieces;
}
