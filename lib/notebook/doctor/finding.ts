/** One fact about this machine. */

/** One line of the table. */
export interface Finding {
  readonly subject: string;
  /** `missing` is an error only where `needed` is true. */
  readonly state: 'ok' | 'missing';
  /** What was found. */
  readonly found: string;
  /** Whether the library cannot work without it. */
  readonly needed: boolean;
  /** What to type or do; absent where nothing is to be done. */
  readonly advice?: string;
}

/** A finding; advice is for what is missing only. */
export function finding(
  subject: string,
  ok: boolean,
  found: string,
  needed: boolean,
  advice?: string,
): Finding {
  return { subject, state: ok ? 'ok' : 'missing', found, needed, ...(ok || !advice ? {} : { advice }) };
}
