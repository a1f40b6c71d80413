/** The recorded graph: the tracing backend builds it, the splitter cuts it, the ONNX writer reads it. */

/** Element types of a graph. TensorFlow.js has the first three; ONNX operators take the others. */
export type GraphDtype = 'float32' | 'int32' | 'bool' | 'int64' | 'uint8';

/** The elements of a constant. */
export type ConstantData = Float32Array | Int32Array | Uint8Array | BigInt64Array;

/** A value on an edge of the graph. Exactly one of `input`, `constant` and `producer` is set. */
export interface Value {
  readonly id: number;
  readonly dtype: GraphDtype;
  readonly shape: readonly number[];
  /** The name of the graph input. */
  readonly input?: string;
  /** Row-major data of a constant. */
  readonly constant?: ConstantData;
  /** The number of a constant with equal elements: lets kernels simplify. */
  readonly fill?: number;
  producer?: Node;
}

/** A value of an operator's attribute. */
export type Attribute = number | readonly number[] | string | { readonly float: number };

/** One call of an ONNX operator. */
export interface Node {
  readonly id: number;
  readonly op: string;
  /** '' is ONNX's own domain, 'com.microsoft' ONNX Runtime's contributed operators. */
  readonly domain: string;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/** Named inputs and outputs; the nodes are found by walking back from the outputs. */
export interface Graph {
  readonly inputs: ReadonlyMap<string, Value>;
  readonly outputs: ReadonlyMap<string, Value>;
  /** Stand-ins in shapes for sizes that are known when the graph runs: see `withDynamicSizes`. */
  readonly dynamicSizes?: ReadonlySet<number>;
}

/** Creates values and nodes, with ids in order of creation, which is a topological order. */
export class GraphBuilder {
  /** @param nextId the first id; over those of a graph that is added to */
  constructor(private nextId = 0) {}

  input(name: string, shape: readonly number[], dtype: GraphDtype): Value {
    return { id: this.nextId++, dtype, shape, input: name };
  }

  constant(data: ConstantData, shape: readonly number[], dtype: GraphDtype, fill?: number): Value {
    return { id: this.nextId++, dtype, shape, constant: data, fill };
  }

  /** @returns One value per entry of `outputs`. */
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

/** The nodes that `outputs` depend on, in the order of recording. */
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
