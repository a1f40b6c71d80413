/**
 * Sizes that a function is not compiled for: it is traced with stand-ins, primes that no other size is a multiple of,
 * and whatever the trace computed from them (shapes, splits, slices) is computed from the inputs when it runs.
 */
import { GraphBuilder, nodesFor } from './graph';
import type { Graph, Value } from './graph';

/** Where a size is found when a function runs: an axis of one of its inputs. */
interface Source {
  readonly size: number;
  readonly input: Value;
  readonly axis: number;
}

/**
 * The graph for any sizes in the place of stand-ins.
 *
 * @param sizes Stand-ins in shapes of inputs; a sum of two is one of its own, and must be an input's size too.
 */
export function withDynamicSizes(graph: Graph, sizes: ReadonlySet<number>): Graph {
  const nodes = nodesFor(graph.outputs.values(), new Set(graph.inputs.values()));
  const builder = new GraphBuilder(1 + Math.max(0, ...nodes.map(({ id }) => id)));
  const sources = sourcesOf(graph, sizes);
  const vectors = new Map<string, Value>();
  const replaced = new Map<Value, Value>();

  /** An int64 vector [length] as the running sizes make it; one for all uses of the same. */
  const vector = (numbers: readonly number[]): Value => {
    const key = numbers.join();
    const known = vectors.get(key);
    if (known !== undefined) return known;
    const parts = numbers.map((number) => element(number));
    const made =
      parts.length === 1
        ? parts[0]
        : emit(builder, 'Concat', parts, { shape: [numbers.length], attributes: { axis: 0 } });
    vectors.set(key, made);
    return made;
  };
  const fixed = (number: number): Value => builder.constant(BigInt64Array.of(BigInt(number)), [1], 'int64');
  const element = (number: number): Value => {
    const source = sources.find(({ size }) => number === size);
    if (source !== undefined) {
      const { input, axis } = source;
      return emit(builder, 'Shape', [input], { shape: [1], attributes: { start: axis, end: axis + 1 } });
    }
    const factor = sources.find(({ size }) => number % size === 0);
    if (factor === undefined || number === 0) return fixed(number);
    return emit(builder, 'Mul', [vector([factor.size]), vector([number / factor.size])], { shape: [1] });
  };

  const resolved = (value: Value): Value => {
    const known = replaced.get(value);
    if (known !== undefined) return known;
    const { constant } = value;
    if (!(constant instanceof BigInt64Array)) return value;
    const numbers = Array.from(constant, Number);
    if (!numbers.some((number) => isDynamic(number, sources))) return value;
    if (value.shape.length !== 1) throw new Error('internal: a dynamic size outside of a vector');
    return vector(numbers);
  };
  for (const node of nodes) {
    const inputs = node.inputs.map(resolved);
    if (inputs.every((input, i) => input === node.inputs[i])) continue;
    const outputs = builder.node(node.op, inputs, node);
    node.outputs.forEach((output, i) => replaced.set(output, outputs[i]));
  }
  return {
    inputs: graph.inputs,
    outputs: new Map([...graph.outputs].map(([name, value]) => [name, replaced.get(value) ?? value])),
    dynamicSizes: sizes,
  };
}

function emit(
  builder: GraphBuilder,
  op: string,
  inputs: readonly Value[],
  { shape, attributes = {} }: { shape: readonly number[]; attributes?: Record<string, number> },
): Value {
  const [value] = builder.node(op, inputs, { outputs: [{ shape, dtype: 'int64' }], attributes });
  return value;
}

/** An axis of an input for each stand-in. */
function sourcesOf(graph: Graph, sizes: ReadonlySet<number>): Source[] {
  const found = new Map<number, Source>();
  for (const input of graph.inputs.values())
    input.shape.forEach((size, axis) => {
      if (sizes.has(size)) found.set(size, { size, input, axis });
      else if ([...sizes].some((standIn) => size % standIn === 0 && size !== 0))
        throw new Error(`internal: size ${size} looks like a stand-in`);
    });
  return [...found.values()];
}

function isDynamic(number: number, sources: readonly Source[]): boolean {
  return number !== 0 && sources.some(({ size }) => number % size === 0);
}
