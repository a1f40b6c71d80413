/**
 * Expressions, with Jinja's own precedence: unary minus, then filters and tests, `**`, `* / // %`, `~`, `+ -`,
 * comparisons (chained, with `in`), `not`, `and`, `or`, `if else`. Where it stands: the lower half of the parser.
 * Source: jinja2 3.1, `Parser`.
 */
import { isFilter } from './filters';
import { describe } from './stream';
import type { TokenStream } from './stream';
import type { Call, Expression } from './syntax';
import { isTest } from './tests';

const NOTHING: Call = { positional: [], named: [] };
const CONSTANTS = new Map([
  ...['true', 'True'].map((name): [string, boolean | null] => [name, true]),
  ...['false', 'False'].map((name): [string, boolean | null] => [name, false]),
  ...['none', 'None'].map((name): [string, boolean | null] => [name, null]),
]);

export function parseExpression(stream: TokenStream): Expression {
  const { line } = stream.current;
  let value = parseOr(stream);
  while (stream.skipName('if')) {
    const test = parseOr(stream);
    const no = stream.skipName('else') ? parseExpression(stream) : undefined;
    value = { kind: 'condition', test, yes: value, no, line };
  }
  return value;
}

/** An expression, or several with commas between: a tuple. `ends` stops before a word that goes on. */
export function parseTuple(
  stream: TokenStream,
  {
    parse = parseExpression,
    ends,
    isEnclosed = false,
  }: { parse?: typeof parseExpression; ends?: string; isEnclosed?: boolean } = {},
): Expression {
  const items: Expression[] = [];
  let isTuple = false;
  for (;;) {
    const { current } = stream;
    const isEnd =
      current.kind === 'close' || stream.isOperator(')') || (ends !== undefined && stream.isName(ends));
    if (isEnd) break;
    items.push(parse(stream));
    if (!stream.skipOperator(',')) break;
    isTuple = true;
  }
  if (isTuple) return { kind: 'tuple', items };
  if (items.length === 1) return items[0];
  return isEnclosed
    ? { kind: 'tuple', items: [] }
    : stream.fail(`expected an expression, got ${describe(stream.current)}`);
}

export function parseOr(stream: TokenStream): Expression {
  let left = parseAnd(stream);
  while (stream.skipName('or')) left = { kind: 'or', left, right: parseAnd(stream) };
  return left;
}

function parseAnd(stream: TokenStream): Expression {
  let left = parseNot(stream);
  while (stream.skipName('and')) left = { kind: 'and', left, right: parseNot(stream) };
  return left;
}

function parseNot(stream: TokenStream): Expression {
  return stream.skipName('not') ? { kind: 'not', operand: parseNot(stream) } : parseComparison(stream);
}

function parseComparison(stream: TokenStream): Expression {
  const first = parseSum(stream);
  const rest: [string, Expression][] = [];
  for (;;) {
    const { current } = stream;
    if (stream.isOperator('==', '!=', '<', '<=', '>', '>=')) {
      stream.take();
      rest.push([current.value, parseSum(stream)]);
    } else if (stream.skipName('in')) rest.push(['in', parseSum(stream)]);
    else if (stream.isName('not') && stream.next.kind === 'name' && stream.next.value === 'in') {
      stream.take();
      stream.take();
      rest.push(['not in', parseSum(stream)]);
    } else return rest.length === 0 ? first : { kind: 'compare', first, rest };
  }
}

function parseSum(stream: TokenStream): Expression {
  return parseBinary(stream, parseConcat, ['+', '-']);
}

function parseConcat(stream: TokenStream): Expression {
  const items = [parseProduct(stream)];
  while (stream.skipOperator('~')) items.push(parseProduct(stream));
  return items.length === 1 ? items[0] : { kind: 'concat', items };
}

function parseProduct(stream: TokenStream): Expression {
  return parseBinary(stream, parsePower, ['*', '/', '//', '%']);
}

function parsePower(stream: TokenStream): Expression {
  return parseBinary(stream, parseUnary, ['**']);
}

function parseBinary(stream: TokenStream, parse: typeof parseOr, operators: readonly string[]): Expression {
  let left = parse(stream);
  while (stream.isOperator(...operators)) {
    const operator = stream.take().value;
    left = { kind: 'binary', operator, left, right: parse(stream) };
  }
  return left;
}

function parseUnary(stream: TokenStream): Expression {
  return parseFilters(stream, parseSigned(stream));
}

function parseSigned(stream: TokenStream): Expression {
  if (stream.skipOperator('-')) return parsePostfix(stream, { kind: 'minus', operand: parseSigned(stream) });
  if (stream.skipOperator('+')) return parsePostfix(stream, { kind: 'plus', operand: parseSigned(stream) });
  return parsePostfix(stream, parsePrimary(stream));
}

/** A name or a literal. */
export function parsePrimary(stream: TokenStream): Expression {
  const token = stream.take();
  const digits = token.value.replaceAll('_', '');
  switch (token.kind) {
    case 'name': {
      const constant = CONSTANTS.get(token.value);
      return constant === undefined
        ? { kind: 'name', name: token.value }
        : { kind: 'constant', value: constant };
    }
    case 'string': {
      let text = token.value;
      while (stream.current.kind === 'string') text += stream.take().value;
      return { kind: 'constant', value: text };
    }
    case 'int':
      return { kind: 'constant', value: BigInt(digits) };
    case 'float':
      return { kind: 'constant', value: Number(digits) };
    case 'operator':
      if (token.value === '(') {
        const inner = parseTuple(stream, { isEnclosed: true });
        stream.expect('operator', ')');
        return inner;
      }
      if (token.value === '[') return { kind: 'list', items: parseList(stream, ']', parseExpression) };
      if (token.value === '{')
        return {
          kind: 'dict',
          entries: parseList(stream, '}', (): readonly [Expression, Expression] => {
            const key = parseExpression(stream);
            stream.expect('operator', ':');
            return [key, parseExpression(stream)];
          }),
        };
  }
  return stream.fail(`unexpected ${describe(token)}`);
}

/** What stands between brackets, the closing one included; a last comma is allowed. */
function parseList<T>(stream: TokenStream, end: string, parse: (stream: TokenStream) => T): T[] {
  const items: T[] = [];
  while (!stream.isOperator(end)) {
    if (items.length > 0) stream.expect('operator', ',');
    if (stream.isOperator(end)) break;
    items.push(parse(stream));
  }
  stream.take();
  return items;
}

/** `.name`, `[key]` and `(arguments)` after a value. */
function parsePostfix(stream: TokenStream, value: Expression): Expression {
  for (;;) {
    if (stream.skipOperator('.')) {
      const { kind, value: name } = stream.take();
      if (kind === 'name') value = { kind: 'attribute', object: value, name };
      else if (kind === 'int')
        value = { kind: 'item', object: value, key: { kind: 'constant', value: BigInt(name) } };
      else return stream.fail('expected a name or a number after the dot');
    } else if (stream.skipOperator('[')) {
      const keys: Expression[] = [];
      while (!stream.isOperator(']')) {
        if (keys.length > 0) stream.expect('operator', ',');
        keys.push(parseKey(stream));
      }
      stream.take();
      value = {
        kind: 'item',
        object: value,
        key: keys.length === 1 ? keys[0] : { kind: 'tuple', items: keys },
      };
    } else if (stream.isOperator('(')) value = { kind: 'call', callee: value, args: parseCall(stream) };
    else return value;
  }
}

/** A key, or a slice `start:stop:step` of which each part may lack. */
function parseKey(stream: TokenStream): Expression {
  const part = (): Expression | undefined =>
    stream.isOperator(':', ']', ',') ? undefined : parseExpression(stream);
  const first = part();
  if (!stream.isOperator(':')) return first ?? stream.fail('expected a key');
  const parts = [first];
  while (parts.length < 3 && stream.skipOperator(':')) parts.push(part());
  return { kind: 'slice', parts };
}

function parseFilters(stream: TokenStream, value: Expression): Expression {
  for (;;) {
    if (stream.isOperator('|')) {
      stream.take();
      value = parseFilter(stream, value);
    } else if (stream.skipName('is')) value = parseTest(stream, value);
    else if (stream.isOperator('(')) value = { kind: 'call', callee: value, args: parseCall(stream) };
    else return value;
  }
}

/** A filter's name and arguments, and those after it. */
export function parseFilter(stream: TokenStream, operand: Expression): Expression {
  const name = parseDotted(stream);
  if (!isFilter(name)) stream.fail(`there is no filter "${name}" here`);
  const args = stream.isOperator('(') ? parseCall(stream) : NOTHING;
  return { kind: 'filter', operand, name, args };
}

function parseTest(stream: TokenStream, operand: Expression): Expression {
  const isNegated = stream.skipName('not');
  const name = parseDotted(stream);
  if (!isTest(name)) stream.fail(`there is no test "${name}" here`);
  const { kind } = stream.current;
  let args = NOTHING;
  if (stream.isOperator('(')) args = parseCall(stream);
  else if (
    kind === 'string' ||
    kind === 'int' ||
    kind === 'float' ||
    stream.isOperator('[', '{') ||
    (kind === 'name' && !stream.isName('else', 'or', 'and'))
  ) {
    if (stream.isName('is')) stream.fail('tests cannot be chained with is');
    args = { positional: [parsePostfix(stream, parsePrimary(stream))], named: [] };
  }
  const test: Expression = { kind: 'test', operand, name, args };
  return isNegated ? { kind: 'not', operand: test } : test;
}

function parseDotted(stream: TokenStream): string {
  let name = stream.expect('name').value;
  while (stream.skipOperator('.')) name += `.${stream.expect('name').value}`;
  return name;
}

function parseCall(stream: TokenStream): Call {
  const positional: Expression[] = [];
  const named: [string, Expression][] = [];
  let spread: Expression | undefined;
  let namedSpread: Expression | undefined;
  const ensure = (isRight: boolean): void => {
    if (!isRight) stream.fail('the arguments of a call are out of order');
  };
  stream.expect('operator', '(');
  parseList(stream, ')', () => {
    if (stream.skipOperator('*')) {
      ensure(spread === undefined && namedSpread === undefined);
      spread = parseExpression(stream);
    } else if (stream.skipOperator('**')) {
      ensure(namedSpread === undefined);
      namedSpread = parseExpression(stream);
    } else if (
      stream.current.kind === 'name' &&
      stream.next.kind === 'operator' &&
      stream.next.value === '='
    ) {
      ensure(namedSpread === undefined);
      const name = stream.take().value;
      stream.take();
      named.push([name, parseExpression(stream)]);
    } else {
      ensure(spread === undefined && namedSpread === undefined && named.length === 0);
      positional.push(parseExpression(stream));
    }
  });
  return { positional, named, spread, namedSpread };
}
