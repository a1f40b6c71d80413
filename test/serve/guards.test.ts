/** The token of a server is compared in constant time by construction: digests of one length, and nothing before them. */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { mock, test } from 'node:test';
import { checkToken } from '../../lib/serve/guards';

const TOKEN = 'sécret-token-1';
const GUARDS = { host: '127.0.0.1', token: TOKEN, allowedHosts: [], corsOrigins: [] };

/** What a request gives, and whether it may pass. */
const GIVEN: readonly (readonly [string | undefined, boolean])[] = [
  [`Bearer ${TOKEN}`, true],
  [`bearer  ${TOKEN} `, true],
  [undefined, false],
  ['', false],
  [TOKEN, false],
  ['Bearer', false],
  ['Bearer ', false],
  [`Basic ${TOKEN}`, false],
  [`Bearer x${TOKEN.slice(1)}`, false],
  [`Bearer ${TOKEN.slice(0, -1)}2`, false],
  [`Bearer ${TOKEN.slice(0, -1)}`, false],
  [`Bearer ${TOKEN}1`, false],
  [`Bearer ${TOKEN.toUpperCase()}`, false],
  [`Bearer ${'x'.repeat(10_000)}`, false],
];

test('every token is compared once, by digests of one length', () => {
  for (const [authorization, passes] of GIVEN) {
    const compare = mock.method(crypto, 'timingSafeEqual');
    try {
      const check = (): void => checkToken(authorization, GUARDS);
      if (passes) check();
      else assert.throws(check, { status: 401 }, authorization);
      assert.equal(compare.mock.callCount(), 1, authorization);
      const [{ arguments: compared, result }] = compare.mock.calls;
      assert.equal(result, passes, authorization);
      const digests = compared as unknown as Buffer[];
      assert.deepEqual(
        digests.map(({ length }) => length),
        [32, 32],
      );
      assert.deepEqual(digests[1], crypto.createHash('sha256').update(TOKEN).digest());
    } finally {
      compare.mock.restore();
    }
  }
});
