/**
 * Runs a parsed template. Names live in scopes as Jinja's do: a loop's, a macro's and a block's own, so `set` in a loop
 * does not reach outside; `if` has none. Where it stands: the last step of a template.
 * Source: jinja2 3.1, `compiler.py`, `runtime.py`.
 */
import { attributeOf, elementOf } from '../python/attributes';
import { applyFilter } from './filters';
import { GLOBALS } from './globals';
import { LoopState } from './loop';
import { binary, isTrue, iterate, sliceOf } from '../python/operators';
import { nameOf, str } from '../python/text';
import type { Call, Expression, Parameters, Statement, Target } from './syntax';
import { applyTest, isOrdered } from './tests';
import { Dict, either, isNumber, Namespace, raise, Thing, Tuple, Undefined } from '../python/values';
import type { Arguments, Value } from '../python/values';

/** The names that can be seen from a place in the template. */
interface Scope {
  readonly names: Map<string, Value>;
  readonly outer?: Scope;
}

/** Where a template's text goes, and what is put around `{% generation %}`. */
interface Run {
  readonly out: string[];
  readonly marks: readonly [begin: string, end: string];
}

type Signal = 'break' | 'continue' | undefined;

/** @param marks what is written before and after what `{% generation %}` encloses */
export function runTemplate(
  body: readonly Statement[],
  { variables, marks }: { variables: ReadonlyMap<string, Value>; marks: readonly [string, string] },
): string {
  const run = { out: [], marks };
  const outer: Scope = { names: new Map([...GLOBALS, ...variables]) };
  execute(body, { names: new Map(), outer }, run);
  return run.out.join('');
}

function inner(outer: Scope): Scope {
  return { names: new Map(), outer };
}

function capture(body: readonly Statement[], scope: Scope, { marks }: Run): string {
  const run = { out: [], marks };
  execute(body, scope, run);
  return run.out.join('');
}

function execute(body: readonly Statement[], scope: Scope, run: Run): Signal {
  for (const statement of body) {
    const signal = executeOne(statement, scope, run);
    if (signal !== undefined) return signal;
  }
  return undefined;
}

function executeOne(statement: Statement, scope: Scope, run: Run): Signal {
  switch (statement.kind) {
    case 'text':
      run.out.push(statement.text);
      return undefined;
    case 'print':
      run.out.push(str(evaluate(statement.value, scope)));
      return undefined;
    case 'if': {
      const branch = statement.branches.find(([test]) => isTrue(evaluate(test, scope)));
      return execute(branch?.[1] ?? statement.otherwise, scope, run);
    }
    case 'for':
      return loopOver(statement, evaluate(statement.list, scope), { scope, run, depth: 0 });
    case 'set':
      assign(statement.target, evaluate(statement.value, scope), scope);
      return undefined;
    case 'set-block': {
      const text = capture(statement.body, inner(scope), run);
      assign(
        statement.target,
        statement.filter === undefined ? text : evaluate(statement.filter, scope, text),
        scope,
      );
      return undefined;
    }
    case 'with': {
      const within = inner(scope);
      const values = statement.values.map(([target, value]) => [target, evaluate(value, scope)] as const);
      for (const [target, value] of values) assign(target, value, within);
      return execute(statement.body, within, run);
    }
    case 'macro':
      scope.names.set(statement.name, macro(statement, scope, run));
      return undefined;
    case 'call': {
      if (statement.call.kind !== 'call') return raise('internal: a call block without a call');
      const caller = macro({ ...statement, name: 'caller' }, scope, run);
      const args = evaluateCall(statement.call.args, scope);
      const named = new Map([...args.named, ['caller', caller]]);
      run.out.push(str(callValue(evaluate(statement.call.callee, scope), { ...args, named })));
      return undefined;
    }
    case 'filter':
      run.out.push(str(evaluate(statement.filter, scope, capture(statement.body, inner(scope), run))));
      return undefined;
    case 'generation':
      run.out.push(run.marks[0]);
      execute(statement.body, inner(scope), run);
      run.out.push(run.marks[1]);
      return undefined;
    default:
      return statement.kind;
  }
}

type For = Extract<Statement, { kind: 'for' }>;

function loopOver(
  statement: For,
  list: Value,
  { scope, run, depth }: { scope: Scope; run: Run; depth: number },
): Signal {
  const recurse = !statement.recursive
    ? undefined
    : (items: Value): Value => {
        const nested = { out: [], marks: run.marks };
        loopOver(statement, items, { scope, run: nested, depth: depth + 1 });
        return nested.out.join('');
      };
  const loop = new LoopState(filtered(statement, list, scope), {
    source: statement.test === undefined ? list : null,
    depth,
    recurse,
  });
  let isDone = false;
  while (loop.advance()) {
    const within = inner(scope);
    within.names.set('loop', loop.thing);
    assign(statement.target, loop.current, within);
    const signal = execute(statement.body, within, run);
    if (signal === 'break') break;
    // As there: an iteration that `continue` cuts short does not keep `else` from being run.
    if (signal === undefined) isDone = true;
  }
  return isDone ? undefined : execute(statement.otherwise, inner(scope), run);
}

/** The items that pass the loop's own `if`, tested one by one as the loop goes on. */
function* filtered({ test, target }: For, list: Value, scope: Scope): Generator<Value> {
  for (const item of iterate(list)) {
    if (test !== undefined) {
      const within = inner(scope);
      assign(target, item, within);
      if (!isTrue(evaluate(test, within))) continue;
    }
    yield item;
  }
}

function assign(target: Target, value: Value, scope: Scope): void {
  if (target.kind === 'name') scope.names.set(target.name, value);
  else if (target.kind === 'namespace') {
    const owner = Namespace.of(lookUp(target.name, scope));
    if (owner === undefined)
      raise(`cannot assign to ${target.name}.${target.attribute}: only a namespace() can be changed`);
    else owner.values.set(target.attribute, value);
  } else {
    const values = [...iterate(value)];
    if (values.length !== target.items.length)
      raise(`expected ${target.items.length} values to assign, got ${values.length}`);
    target.items.forEach((item, i) => {
      assign(item, values[i], scope);
    });
  }
}

function lookUp(name: string, scope: Scope): Value {
  for (let at: Scope | undefined = scope; at !== undefined; at = at.outer) {
    const value = at.names.get(name);
    if (value !== undefined) return value;
  }
  return new Undefined(`the variable '${name}' is undefined`);
}

/** A macro: it sees the names around its definition as they are when it is called. */
function macro(
  { name, parameters, body }: { name: string; parameters: Parameters; body: readonly Statement[] },
  scope: Scope,
  run: Run,
): Value {
  const { names, defaults } = parameters;
  return new Thing('Macro', {
    repr: () => `<Macro '${name}'>`,
    attribute: (key) => (key === 'name' ? name : undefined),
    call: ({ positional, named }) => {
      const within = inner(scope);
      const rest = new Map(named);
      names.forEach((parameter, i) => {
        const given = i < positional.length ? positional[i] : rest.get(parameter);
        if (i >= positional.length) rest.delete(parameter);
        const otherwise = defaults[i - (names.length - defaults.length)] as Expression | undefined;
        const value = either(given, () =>
          otherwise === undefined
            ? new Undefined(`parameter '${parameter}' was not provided`)
            : evaluate(otherwise, within),
        );
        within.names.set(parameter, value);
      });
      const uses = usedNames(body);
      if (uses.has('caller') && !names.includes('caller')) {
        within.names.set(
          'caller',
          either(rest.get('caller'), () => new Undefined('No caller defined')),
        );
        rest.delete('caller');
      }
      if (uses.has('kwargs')) within.names.set('kwargs', new Dict(rest));
      else if (rest.size > 0) raise(`macro '${name}' takes no keyword argument '${[...rest.keys()][0]}'`);
      if (uses.has('varargs')) within.names.set('varargs', new Tuple(positional.slice(names.length)));
      else if (positional.length > names.length)
        raise(`macro '${name}' takes not more than ${names.length} argument(s)`);
      return capture(body, within, run);
    },
  });
}

const used = new WeakMap<readonly Statement[], ReadonlySet<string>>();

/** The names that stand in a body, which decide what a macro accepts beside its parameters. */
function usedNames(body: readonly Statement[]): ReadonlySet<string> {
  let names = used.get(body);
  if (names === undefined) {
    const found = new Set<string>();
    JSON.stringify(body, (_, node: unknown) => {
      if (typeof node === 'bigint') return '';
      if (
        typeof node === 'object' &&
        node !== null &&
        'kind' in node &&
        node.kind === 'name' &&
        'name' in node
      )
        found.add(String(node.name));
      return node;
    });
    used.set(body, (names = found));
  }
  return names;
}

/** @param captured the text that a filter of a block is applied to */
function evaluate(node: Expression, scope: Scope, captured: Value = ''): Value {
  const value = (part: Expression): Value => evaluate(part, scope, captured);
  switch (node.kind) {
    case 'constant':
      return node.value;
    case 'captured':
      return captured;
    case 'name':
      return lookUp(node.name, scope);
    case 'list':
      return node.items.map(value);
    case 'tuple':
      return new Tuple(node.items.map(value));
    case 'dict':
      return new Dict(node.entries.map(([key, item]) => [value(key), value(item)]));
    case 'concat':
      return node.items.map((item) => str(value(item))).join('');
    case 'attribute':
      return attributeOf(value(node.object), node.name);
    case 'item': {
      const object = value(node.object);
      if (node.key.kind !== 'slice') return elementOf(object, value(node.key));
      const parts = node.key.parts.map((part) => (part === undefined ? undefined : value(part)));
      return sliceOf(object, parts);
    }
    case 'slice':
      return raise('a slice within a tuple is not supported');
    case 'call':
      return callValue(value(node.callee), evaluateCall(node.args, scope));
    case 'filter':
      return applyFilter(node.name, value(node.operand), evaluateCall(node.args, scope));
    case 'test':
      return applyTest(node.name, value(node.operand), evaluateCall(node.args, scope));
    case 'not':
      return !isTrue(value(node.operand));
    case 'minus':
    case 'plus':
      return signed(value(node.operand), node.kind);
    case 'and': {
      const left = value(node.left);
      return isTrue(left) ? value(node.right) : left;
    }
    case 'or': {
      const left = value(node.left);
      return isTrue(left) ? left : value(node.right);
    }
    case 'binary': {
      const left = value(node.left);
      return binary(node.operator, left, value(node.right));
    }
    case 'compare': {
      let left = value(node.first);
      for (const [operator, operand] of node.rest) {
        const right = value(operand);
        if (!isOrdered(operator, left, right)) return false;
        left = right;
      }
      return true;
    }
    case 'condition':
      if (isTrue(value(node.test))) return value(node.yes);
      return node.no === undefined
        ? new Undefined(`the inline if-expression in line ${node.line} evaluated to false and has no else`)
        : value(node.no);
  }
}

function signed(value: Value, kind: 'minus' | 'plus'): Value {
  if (value instanceof Undefined) return raise(value.message);
  if (!isNumber(value)) return raise(`${kind}: expected a number, got ${nameOf(value)}`);
  const number = typeof value === 'boolean' ? BigInt(value) : value;
  return kind === 'minus' ? -number : number;
}

function evaluateCall({ positional, named, spread, namedSpread }: Call, scope: Scope): Arguments {
  const values = positional.map((arg) => evaluate(arg, scope));
  if (spread !== undefined) values.push(...iterate(evaluate(spread, scope)));
  const byName = new Map(named.map(([name, arg]) => [name, evaluate(arg, scope)]));
  if (namedSpread !== undefined) {
    const more = evaluate(namedSpread, scope);
    if (!(more instanceof Dict)) return raise(`expected a dict behind **, got ${nameOf(more)}`);
    for (const [key, item] of more.entries()) byName.set(str(key), item);
  }
  return { positional: values, named: byName };
}

function callValue(callee: Value, args: Arguments): Value {
  if (callee instanceof Undefined) return raise(callee.message);
  if (callee instanceof Thing && callee.can.call !== undefined) return callee.can.call(args);
  return raise(`${nameOf(callee)} cannot be called`);
}
