/**
 * The little of source maps that tracebacks need: from a place in generated code back to the source.
 * Source: "Source Map Revision 3", mappings as base64 VLQ.
 */

/** A place in a text; both zero-based. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

interface Segment {
  readonly column: number;
  readonly source: Place;
}

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

function decodeVlq(text: string): number[] {
  const values: number[] = [];
  let value = 0;
  let shift = 0;
  for (const character of text) {
    const digit = DIGITS.indexOf(character);
    value |= (digit & 31) << shift;
    if (digit & 32) {
      shift += 5;
      continue;
    }
    values.push(value & 1 ? -(value >> 1) : value >> 1);
    value = 0;
    shift = 0;
  }
  return values;
}

/** Answers where a generated place comes from; undefined where nothing is known of it. */
export type SourceLookup = (generated: Place) => Place | undefined;

/** Reads a source map (JSON text) of one source. */
export function readSourceMap(json: string): SourceLookup {
  const { mappings } = JSON.parse(json) as { mappings: string };
  let line = 0;
  let column = 0;
  const lines = mappings.split(';').map((text) => {
    let generatedColumn = 0;
    const segments: Segment[] = [];
    for (const part of text === '' ? [] : text.split(',')) {
      const [columnDelta, , lineDelta, sourceColumnDelta] = decodeVlq(part);
      generatedColumn += columnDelta;
      if (lineDelta === undefined) continue;
      line += lineDelta;
      column += sourceColumnDelta;
      segments.push({ column: generatedColumn, source: { line, column } });
    }
    return segments;
  });
  return (generated) => {
    const segments = lines[generated.line] ?? [];
    let best: Segment | undefined;
    for (const segment of segments) {
      if (segment.column > generated.column && best) break;
      best = segment;
    }
    return best?.source;
  };
}

/** Looks through two maps: from the last output, over the intermediate text, to the source. */
export function chainLookups(last: SourceLookup, first: SourceLookup): SourceLookup {
  return (generated) => {
    const between = last(generated);
    return between && first(between);
  };
}
