/**
 * What a Split of tokenizer.json makes of a text: its five behaviors, as the Rust tokenizers define them.
 * Where it stands: put in place of the library's own, which has two of them.
 */

interface Piece {
  text: string;
  readonly matches: boolean;
}

/** Cuts a text at what the pattern matches (`invert`: at what it does not match). */
export function splitPieces(
  text: string,
  { pattern, behavior, invert }: { pattern: RegExp; behavior: string; invert: boolean },
): string[] {
  const pieces: Piece[] = [];
  const add = (from: number, to: number, matches: boolean): void => {
    if (to > from) pieces.push({ text: text.slice(from, to), matches: matches !== invert });
  };
  let end = 0;
  for (const match of text.matchAll(pattern)) {
    add(end, match.index, false);
    end = match.index + match[0].length;
    add(match.index, end, true);
  }
  add(end, text.length, false);
  return joinPieces(pieces, behavior).map((piece) => piece.text);
}

function joinPieces(pieces: readonly Piece[], behavior: string): readonly Piece[] {
  switch (behavior) {
    case 'Removed':
      return pieces.filter(({ matches }) => !matches);
    case 'Isolated':
      return pieces;
    case 'Contiguous':
      return joined(pieces, (last, piece) => last.matches === piece.matches);
    case 'MergedWithPrevious':
      return joined(pieces, (last, piece) => piece.matches && !last.matches);
    case 'MergedWithNext':
      return joined(
        [...pieces].reverse(),
        (last, piece) => piece.matches && !last.matches,
        'before',
      ).reverse();
    default:
      throw new Error(`unknown behavior of a Split: ${behavior}`);
  }
}

/** `isOne` compares neighbours as they were cut, not what was joined. */
function joined(
  pieces: readonly Piece[],
  isOne: (last: Piece, piece: Piece) => boolean,
  side: 'before' | 'after' = 'after',
): Piece[] {
  const result: Piece[] = [];
  pieces.forEach((piece, i) => {
    const last = result.at(-1);
    if (last === undefined || !isOne(pieces[i - 1], piece)) result.push({ ...piece });
    else last.text = side === 'after' ? last.text + piece.text : piece.text + last.text;
  });
  return result;
}
