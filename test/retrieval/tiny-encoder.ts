/**
 * The files of a sentence encoder small enough to check by hand: each token's vector is its row of a table plus the
 * mean of all rows of its text, so that the first token's and the mean differ, and both depend on the text.
 */
import { onnx } from 'onnx-proto';

/** Token -> its row; [CLS] and [SEP] stand around each text. */
export const VOCABULARY: Readonly<Record<string, number>> = {
  ...{ '[PAD]': 0, '[UNK]': 1, '[CLS]': 2, '[SEP]': 3, row: 4, sled: 5, query: 6, passage: 7, ':': 8 },
};

/** [token][width] */
export const TABLE: readonly (readonly number[])[] = [
  ...[
    [0, 0, 0],
    [1, 1, 1],
    [0.5, 0, 0],
    [0, 0.25, 0],
    [2, 0, 1],
    [0, 3, 1],
    [0, 0, 4],
    [1, 0, -2],
    [0, 1, 0],
  ],
];

/** The files by name, as a repository has them. */
export function tinyEncoder(): Map<string, Buffer> {
  const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
  const added = ['[PAD]', '[UNK]', '[CLS]', '[SEP]'].map((content, id) => ({
    ...{ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true },
  }));
  const token = (id: string): object => ({ SpecialToken: { id, type_id: 0 } });
  const special = Object.fromEntries(
    ['[CLS]', '[SEP]'].map((id) => [id, { id, ids: [VOCABULARY[id]], tokens: [id] }]),
  );
  const tokenizer = {
    version: '1.0',
    added_tokens: added,
    normalizer: { type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, lowercase: true },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      ...{ type: 'TemplateProcessing', special_tokens: special },
      single: [token('[CLS]'), { Sequence: { id: 'A', type_id: 0 } }, token('[SEP]')],
      pair: [],
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      ...{ type: 'WordPiece', unk_token: '[UNK]', continuing_subword_prefix: '##' },
      ...{ max_input_chars_per_word: 100, vocab: VOCABULARY },
    },
  };
  return new Map([
    [
      'config.json',
      json({ model_type: 'bert', architectures: ['BertModel'], hidden_size: 3, vocab_size: 9 }),
    ],
    ['tokenizer.json', json(tokenizer)],
    [
      'tokenizer_config.json',
      json({
        tokenizer_class: 'BertTokenizer',
        pad_token: '[PAD]',
        model_max_length: 16,
        do_lower_case: true,
      }),
    ],
    ['onnx/model.onnx', encoderGraph()],
  ]);
}

function encoderGraph(): Buffer {
  const { INT64, FLOAT } = onnx.TensorProto.DataType;
  const info = (name: string, elemType: number, dims: string[]): onnx.IValueInfoProto => ({
    name,
    type: { tensorType: { elemType, shape: { dim: dims.map((dimParam) => ({ dimParam })) } } },
  });
  const constant = (name: string, dims: number[], values: readonly number[]): onnx.ITensorProto => ({
    ...{ name, dims, dataType: FLOAT, floatData: [...values] },
  });
  const axes = { name: 'axes', dims: [1], dataType: INT64, int64Data: [1] };
  const keep = { name: 'keepdims', type: onnx.AttributeProto.AttributeType.INT, i: 1 };
  const mask = { name: 'to', type: onnx.AttributeProto.AttributeType.INT, i: FLOAT };
  const last = { name: 'last', dims: [1], dataType: INT64, int64Data: [2] };
  const graph: onnx.IGraphProto = {
    name: 'encoder',
    input: [info('input_ids', INT64, ['B', 'T']), info('attention_mask', INT64, ['B', 'T'])],
    output: [info('last_hidden_state', FLOAT, ['B', 'T', 'C'])],
    initializer: [constant('table', [TABLE.length, 3], TABLE.flat()), axes, last],
    node: [
      { opType: 'Gather', input: ['table', 'input_ids'], output: ['rows'] },
      { opType: 'Cast', input: ['attention_mask'], output: ['mask'], attribute: [mask] },
      { opType: 'Unsqueeze', input: ['mask', 'last'], output: ['real'] },
      { opType: 'Mul', input: ['rows', 'real'], output: ['kept'] },
      { opType: 'ReduceSum', input: ['kept', 'axes'], output: ['sum'], attribute: [keep] },
      { opType: 'ReduceSum', input: ['real', 'axes'], output: ['count'], attribute: [keep] },
      { opType: 'Div', input: ['sum', 'count'], output: ['mean'] },
      { opType: 'Add', input: ['rows', 'mean'], output: ['last_hidden_state'] },
    ],
  };
  const model = { irVersion: 8, opsetImport: [{ domain: '', version: 17 }], graph };
  return Buffer.from(onnx.ModelProto.encode(model).finish());
}
