/** From a stream of records to examples: encoded one record at a time, as they are asked for. */
import { requireObject, TunebookError } from '../types';
import { recordEncoder } from './encode';
import type { RecordEncoder } from './encode';
import { placeOf } from './files/places';
import { placeInStream } from './stream/stream-records';
import type { ExampleStream, RecordStream } from './stream/types';
import type { EncodeOptions } from './types';

/** Records left out that are named; all are counted. */
const NAMED = 3;

/**
 * Encodes the records of a stream as they are asked for, pass after pass, in the memory of a few: a `trainDataset` of any
 * size, with `maxSteps`.
 *
 * @param options as for `encodeRecords`
 * @throws TunebookError where an option is wrong
 * @example
 * ```ts
 * import { AutoTokenizer, projectPath, streamExamples, streamRecords } from 'tunebook';
 *
 * const tokenizer = await AutoTokenizer.fromPretrained('gpt2');
 * const records = streamRecords(projectPath('data/hyrox/hyrox-sample.jsonl'), { shuffleBuffer: 100 });
 * const examples = streamExamples(records, { tokenizer, maxLength: 256 });
 * for await (const { example, next } of examples.examples()) {
 *   console.log(example.inputIds.length, next.record); // the second: 1
 *   break;
 * }
 * ```
 */
export function streamExamples(stream: RecordStream, options: EncodeOptions): ExampleStream {
  requireObject(stream, {
    ...{ where: 'streamExamples', what: 'a stream of records', fields: ['records', 'identity'] },
    remedy: "Pass streamRecords('chats.jsonl').",
  });
  const encoderFor = recordEncoder(options);
  const counts = { examples: 0, dropped: 0 };
  let encode: RecordEncoder | undefined;
  const { tokenizer, template, ...settings } = options;
  const form = template?.travel?.description;
  return {
    counts,
    identity: JSON.stringify({
      records: stream.identity,
      vocabulary: tokenizer.vocabSize,
      form,
      ...settings,
    }),
    async *examples({ epoch = 0, record = 0, example: done = 0, place: begin } = {}) {
      for (let pass = epoch; ; pass++) {
        let given = 0;
        let at = pass === epoch ? record : 0;
        let skipped = pass === epoch ? done : 0;
        const isWhole = at === 0 && skipped === 0;
        const place = pass === epoch ? begin : undefined;
        for await (const one of stream.records({ epoch: pass, record: at, place })) {
          encode ??= encoderFor(one);
          const { examples, dropped } = encode(one);
          for (const { reason } of dropped) {
            counts.dropped++;
            if (counts.dropped <= NAMED)
              console.warn(`${placeOf(one, at)}: left out: ${reason}. More are in counts.dropped.`);
          }
          for (const [i, example] of examples.entries()) {
            if (i < skipped) continue;
            given++;
            counts.examples++;
            const isLast = i === examples.length - 1;
            const next = isLast ? { record: at + 1, example: 0 } : { record: at, example: i + 1 };
            yield { example, next: { epoch: pass, ...next, place: placeInStream(one) } };
          }
          skipped = 0;
          at++;
        }
        if (given === 0 && isWhole)
          throw new TunebookError(
            `streamExamples: expected examples in ${stream.files.join(', ')}, got none: all ${counts.dropped} records were ` +
              'left out. See what encodeRecords says of a few of them.',
          );
      }
    },
  };
}
