/**
 * The recorded graph: what the tracing backend writes, the splitter cuts and the ONNX writer reads.
 */

/** Element types of a graph. TensorFlow.js knows the first three; the others feed ONNX operators. */
export type GraphDtype = 'float32' | 'int32' | 'bool' | 'int64' | 'uint8';

export type ConstantData = Float32Array | Int32Array | Uint8Array | BigInt64Array;

/** A value that flows along an edge. Exactly one of `input`, `constant` and `producer` is set. */
export interface Value {
  readonly id: number;
  readonly dtype: GraphDtype;
  readonly shape: readonly number[];
  /** Name of the graph input that this value is. */
  readonly input?: string;
  /** Row-major data of a constant. */
  readonly constant?: ConstantData;
  /** Set on a constant that holds one number everywhere: lets kernels simplify. */
  readonly fill?: number;
  producer?: Node;
}

export type Attribute = number | readonly number[] | string | { readonly float: number };

/** One ONNX operator call. */
export interface Node {
  readonly id: number;
  readonly op: string;
  /** '' is ONNX's own domain, 'com.microsoft' ONNX Runtime's contributed operators. */
  readonly domain: string;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/** What a session is made of: named inputs and outputs; the nodes are found by walking back from the outputs. */
export interface Graph {
  readonly inputs: ReadonlyMap<string, Value>;
  readonly outputs: ReadonlyMap<string, Value>;
}

/** Makes values and nodes with ids in order of creation, which is a topological order. */
export class GraphBuilder {
  private nextId = 0;

  input(name: string, shape: readonly number[], dtype: GraphDtype): Value {
    return { id: this.nextId++, dtype, shape, input: name };
  }

  constant(data: ConstantData, shape: readonly number[], dtype: GraphDtype, fill?: number): Value {
    return { id: this.nextId++, dtype, shape, constant: data, fill };
  }

  /** @returns one value per entry of `outputs`. */
  node(
    op: string,
    inputs: readonly Value[],
    options: {
      outputs: readonly { shape: readonly number[]; dtype: GraphDtype }[];
      attributes?: Record<string, Attribute>;
      domain?: string;
    },
  ): Value[] {
    const outputs: Value[] = options.outputs.map((o) => ({
      id: this.nextId++,
      dtype: o.dtype,
      shape: o.shape,
    }));
    const node: Node = {
      id: this.nextId++,
      op,
      domain: options.domain ?? '',
      inputs,
      outputs,
      attributes: options.attributes ?? {},
    };
    for (const output of outputs) output.producer = node;
    return outputs;
  }
}

/** The nodes that `outputs` need, in the order in which they were recorded. */
export function nodesFor(outputs: Iterable<Value>, stopAt?: ReadonlySet<Value>): Node[] {
  const seen = new Set<Node>();
  const stack = [...outputs];
  for (let value = stack.pop(); value !== undefined; value = stack.pop()) {
    if (stopAt?.has(value)) continue;
    const node = value.producer;
    if (node === undefined || seen.has(node)) continue;
    seen.add(node);
    stack.push(...node.inputs);
  }
  return [...seen].sort((a, b) => a.id - b.id);
}
