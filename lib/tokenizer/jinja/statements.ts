/** A template's text, prints and tags. Where it stands: the upper half of the parser. Source: jinja2 3.1, `Parser`. */
import { parseExpression, parseFilter, parseOr, parsePrimary, parseTuple } from './expressions';
import { tokenize } from './lexer';
import { describe, TokenStream } from './stream';
import type { Expression, Parameters, Statement, Target } from './syntax';

/** @throws {TunebookError} Naming the line that is not Jinja's, or uses what chat templates have no need of. */
export function parseTemplate(source: string): readonly Statement[] {
  const stream = new TokenStream(tokenize(source));
  return parseBody(stream, []);
}

/** Statements up to a tag of one of these names, which is taken without its end; none: to the end of the template. */
function parseBody(stream: TokenStream, ends: readonly string[]): Statement[] {
  const body: Statement[] = [];
  for (;;) {
    const token = stream.take();
    if (token.kind === 'text') body.push({ kind: 'text', text: token.value });
    else if (token.kind === 'end') {
      if (ends.length > 0)
        stream.fail(`expected {% ${ends.join(' %} or {% ')} %}, got the end of the template`);
      return body;
    } else if (token.value === '{{') {
      body.push({ kind: 'print', value: parseTuple(stream) });
      stream.expect('close');
    } else {
      if (stream.isName(...ends)) return body;
      body.push(...parseStatement(stream));
      stream.expect('close');
    }
  }
}

/** What a tag encloses, from the tag's end to the name of the closing one. */
function parseEnclosed(stream: TokenStream, ...ends: readonly string[]): Statement[] {
  stream.skipOperator(':');
  stream.expect('close');
  return parseBody(stream, ends);
}

/** As above, with the closing tag's name taken. */
function parseBlock(stream: TokenStream, end: string): Statement[] {
  const body = parseEnclosed(stream, end);
  stream.take();
  return body;
}

function parseStatement(stream: TokenStream): Statement[] {
  const name = stream.expect('name').value;
  switch (name) {
    case 'if':
      return [parseIf(stream)];
    case 'for':
      return [parseFor(stream)];
    case 'set':
      return [parseSet(stream)];
    case 'with': {
      const values: [Target, Expression][] = [];
      while (stream.current.kind !== 'close') {
        if (values.length > 0) stream.expect('operator', ',');
        const target = parseTarget(stream);
        stream.expect('operator', '=');
        values.push([target, parseExpression(stream)]);
      }
      return [{ kind: 'with', values, body: parseBlock(stream, 'endwith') }];
    }
    case 'macro': {
      const macro = stream.expect('name').value;
      const parameters = parseParameters(stream);
      return [{ kind: 'macro', name: macro, parameters, body: parseBlock(stream, 'endmacro') }];
    }
    case 'call': {
      const parameters = stream.isOperator('(') ? parseParameters(stream) : { names: [], defaults: [] };
      const call = parseExpression(stream);
      if (call.kind !== 'call') stream.fail('expected a call');
      return [{ kind: 'call', call, parameters, body: parseBlock(stream, 'endcall') }];
    }
    case 'filter': {
      const filter = parseFilterChain(stream, parseFilter(stream, { kind: 'captured' }));
      return [{ kind: 'filter', filter, body: parseBlock(stream, 'endfilter') }];
    }
    case 'generation':
      return [{ kind: 'generation', body: parseBlock(stream, 'endgeneration') }];
    case 'print': {
      const values: Statement[] = [];
      while (stream.current.kind !== 'close') {
        if (values.length > 0) stream.expect('operator', ',');
        values.push({ kind: 'print', value: parseExpression(stream) });
      }
      return values;
    }
    case 'break':
    case 'continue':
      return [{ kind: name }];
    default:
      return stream.fail(
        `there is no tag {% ${name} %} here. Chat templates have if, for, set, with, macro, call, filter, raw, generation, ` +
          'break and continue',
      );
  }
}

function parseIf(stream: TokenStream): Statement {
  const branches: [Expression, Statement[]][] = [];
  for (;;) {
    const test = parseTuple(stream, { parse: parseOr });
    branches.push([test, parseEnclosed(stream, 'elif', 'else', 'endif')]);
    const end = stream.take().value;
    if (end === 'endif') return { kind: 'if', branches, otherwise: [] };
    if (end === 'else') return { kind: 'if', branches, otherwise: parseBlock(stream, 'endif') };
  }
}

function parseFor(stream: TokenStream): Statement {
  const target = parseTarget(stream, { ends: 'in' });
  stream.expect('name', 'in');
  const list = parseTuple(stream, { parse: parseOr, ends: 'recursive' });
  const test = stream.skipName('if') ? parseExpression(stream) : undefined;
  const recursive = stream.skipName('recursive');
  const body = parseEnclosed(stream, 'endfor', 'else');
  const otherwise = stream.take().value === 'else' ? parseBlock(stream, 'endfor') : [];
  return { kind: 'for', target, list, test, recursive, body, otherwise };
}

function parseSet(stream: TokenStream): Statement {
  const target = parseTarget(stream, { withNamespace: true });
  if (stream.skipOperator('=')) return { kind: 'set', target, value: parseTuple(stream) };
  const filter = stream.isOperator('|') ? parseFilterChain(stream, { kind: 'captured' }) : undefined;
  return { kind: 'set-block', target, filter, body: parseBlock(stream, 'endset') };
}

function parseFilterChain(stream: TokenStream, operand: Expression): Expression {
  let value = operand;
  while (stream.skipOperator('|')) value = parseFilter(stream, value);
  return value;
}

function parseTarget(
  stream: TokenStream,
  { ends, withNamespace = false }: { ends?: string; withNamespace?: boolean } = {},
): Target {
  const parse = (): Expression => {
    const value = parsePrimary(stream);
    if (!withNamespace || value.kind !== 'name' || !stream.skipOperator('.')) return value;
    return { kind: 'attribute', object: value, name: stream.expect('name').value };
  };
  return asTarget(stream, parseTuple(stream, { parse, ends }));
}

function asTarget(stream: TokenStream, value: Expression): Target {
  if (value.kind === 'name') return { kind: 'name', name: value.name };
  if (value.kind === 'attribute' && value.object.kind === 'name')
    return { kind: 'namespace', name: value.object.name, attribute: value.name };
  if (value.kind === 'tuple' || value.kind === 'list')
    return { kind: 'tuple', items: value.items.map((item) => asTarget(stream, item)) };
  return stream.fail(`cannot assign to this, before ${describe(stream.current)}`);
}

function parseParameters(stream: TokenStream): Parameters {
  const names: string[] = [];
  const defaults: Expression[] = [];
  stream.expect('operator', '(');
  while (!stream.isOperator(')')) {
    if (names.length > 0) stream.expect('operator', ',');
    names.push(stream.expect('name').value);
    if (stream.skipOperator('=')) defaults.push(parseExpression(stream));
    else if (defaults.length > 0) stream.fail('a parameter without a default follows one that has one');
  }
  stream.take();
  return { names, defaults };
}
