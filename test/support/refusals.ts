/** Tables of calls that a function has to refuse in words, as a TypeScript program cannot make them but JavaScript can. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TunebookError } from '../../lib/types';

/** A title, the call, and what the error says. */
export type Refusal = readonly [title: string, call: () => unknown, message: RegExp];

/** Arguments of any kind for a function that wants others: what a cell without types may give. */
export function untyped<R>(fn: (...args: never[]) => R): (...args: unknown[]) => R {
  return fn as unknown as (...args: unknown[]) => R;
}

/** One test a row: the call fails with a TunebookError, at once or as a promise. */
export function testRefusals(refusals: readonly Refusal[]): void {
  for (const [title, call, message] of refusals) {
    test(`${title} is refused in words`, async () => {
      await assert.rejects(async () => call(), { name: 'TunebookError', message });
    });
  }
}

/** For `assert.rejects` and `assert.throws`: a TunebookError that holds all the words. */
export function isError(...words: string[]): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof TunebookError, String(error));
    for (const word of words)
      assert.ok(error.message.includes(word), `expected '${word}' in: ${error.message}`);
    return true;
  };
}
