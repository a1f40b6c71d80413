/** Of which kind the records of a call are: all of one, or the odd one is named. */
import { fieldsOf, isOfKind, kindOfRecord, RECORD_KINDS } from '../../prompts';
import type { RecordKind } from '../../prompts';
import { kindOf, TunebookError } from '../../types';
import { placeOf } from '../files/places';
import type { DataRecord } from '../files/row';

/**
 * The kind of all records.
 *
 * @param where the function that is called, for errors
 * @param format the kind that is expected; 'auto': the first record's
 * @throws TunebookError where a record is of another kind, or of none
 */
export function kindOfRecords(
  records: readonly DataRecord[],
  { where, format }: { where: string; format: RecordKind | 'auto' },
): RecordKind {
  const [first] = records;
  if (first === undefined) return format === 'auto' ? 'fields' : format;
  const kind = format === 'auto' ? kindOfRecord(first) : format;
  if (kind === undefined) throw unknownKind(first, where);
  for (const [index, record] of records.entries()) {
    const own = kindOfRecord(record);
    const isSame = own === kind && Array.isArray(record.prompt) === Array.isArray(first.prompt);
    if (isSame || (own !== kind && isOfKind(record, kind)) || (isTurns(kind) && isTurns(own))) continue;
    const names = Object.keys(record).join(', ') || 'no field';
    // A field of the right name may hold something else than turns.
    const held = Object.entries(record).map(([name, value]) => `${name}: ${kindOf(value)}`);
    const got =
      own !== undefined ? `${own}, with ${names}` : isTurns(kind) ? held.join(', ') || names : names;
    throw new TunebookError(
      `${where}, ${placeOf(record, index)}: expected a record like the others (${kind}: ${fieldsOf(kind)}), got ` +
        `${got}. Encode records of one kind at a time, or fix this one.`,
    );
  }
  return kind;
}

const isTurns = (kind: RecordKind | undefined): boolean => kind === 'messages' || kind === 'sharegpt';

function unknownKind(record: DataRecord, where: string): TunebookError {
  const known = RECORD_KINDS.map((kind) => `${kind} (${fieldsOf(kind)})`).join('; ');
  return new TunebookError(
    `${where}, ${placeOf(record, 0)}: expected one of ${known}; got ${Object.keys(record).join(', ') || 'no field'}. ` +
      'Name the fields anew with loadRecords(path, { fieldMapping }), or pass a template that has them.',
  );
}
