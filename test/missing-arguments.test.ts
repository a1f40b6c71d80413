/** What is missing or of the wrong kind is named, by each entry point of the rooms that read and write files. */
import path from 'node:path';
import { before } from 'node:test';
import {
  openCheckpoint,
  openSafetensors,
  readSafetensorsHeader,
  writeCheckpoint,
  writeSafetensors,
} from '../lib/checkpoint';
import { resolveModelFolder } from '../lib/hub';
import { BitsAndBytesConfig, dequantize, quantizationError, quantize } from '../lib/quantization';
import { AutoTokenizer, checkTokenizerFits } from '../lib/tokenizer';
import type { PretrainedTokenizer } from '../lib/tokenizer';
import { ROOT } from './support/paths';
import { testRefusals, untyped } from './support/refusals';

const FILE = path.join(ROOT, 'outputs', 'never-written.safetensors');
const VALUES = Float32Array.of(1, 2);

const tokenizers: PretrainedTokenizer[] = [];
before(async () => void tokenizers.push(await AutoTokenizer.fromPretrained('gpt2')));
const call = (method: keyof PretrainedTokenizer, ...args: unknown[]): unknown =>
  untyped(tokenizers[0][method] as () => unknown).call(tokenizers[0], ...args);

const tokenizer = untyped(AutoTokenizer.fromPretrained);
const model = untyped(resolveModelFolder);
const write = untyped(writeSafetensors);

testRefusals([
  [
    'no tokenizer',
    () => tokenizer(),
    /^AutoTokenizer\.fromPretrained: expected a folder, .*got undefined\.$/,
  ],
  ['a tokenizer without a name', () => tokenizer(''), /AutoTokenizer\.fromPretrained: expected .*got ""/],
  [
    'an object for a tokenizer',
    () => tokenizer({}),
    /AutoTokenizer\.fromPretrained: expected .*got an object/,
  ],
  [
    'no options of a tokenizer',
    () => tokenizer('gpt2', null),
    /AutoTokenizer\.fromPretrained: .*expected object/,
  ],
  ['an unknown option of a tokenizer', () => tokenizer('gpt2', { pad: 'x' }), /Unrecognized key: "pad"/],
  ['encode without a text', () => call('encode'), /tokenizer\.encode: expected a string, got undefined/],
  [
    'decode without ids',
    () => call('decode'),
    /tokenizer\.decode: expected a list of token ids, got undefined/,
  ],
  ['decode of one id', () => call('decode', 5), /tokenizer\.decode: expected a list of token ids, got 5/],
  [
    'batchEncode of one text',
    () => call('batchEncode', 'a'),
    /batchEncode: expected a list of texts, got "a"/,
  ],
  ['batchDecode of nothing', () => call('batchDecode'), /batchDecode: expected a list of rows/],
  [
    'a chat of one text',
    () => call('applyChatTemplate', 'Hi'),
    /expected a list of messages \{ role, content \}/,
  ],
  [
    'savePretrained without a folder',
    () => call('savePretrained'),
    /savePretrained: expected the path of a folder/,
  ],
  [
    'a fit to nothing',
    () => untyped(checkTokenizerFits)(),
    /checkTokenizerFits: expected a tokenizer and \{ vocab/,
  ],
  [
    'no model',
    () => model(),
    /^resolveModelFolder: expected a folder or the name of a model, got undefined\.$/,
  ],
  ['a list for a model', () => model(['gpt2']), /resolveModelFolder: .*got a list/],
  [
    'no options of a model',
    () => model('gpt2', null),
    /resolveModelFolder: .*expected object, received null/,
  ],
  [
    'a number for an address',
    () => model('gpt2', { endpoint: 5 }),
    /expected string, received number[^]*at endpoint/,
  ],
  ['an unknown option of a model', () => model('gpt2', { branch: 'x' }), /Unrecognized key: "branch"/],
  [
    'no file',
    () => untyped(openSafetensors)(),
    /openSafetensors: expected the path of a safetensors file, got und/,
  ],
  ['no header', () => untyped(readSafetensorsHeader)(5), /readSafetensorsHeader: expected the path .*got 5/],
  [
    'no checkpoint',
    () => untyped(openCheckpoint)(),
    /openCheckpoint: expected the path of a folder, got undefined/,
  ],
  ['no place to write to', () => write(), /writeSafetensors: expected the path of a file, got undefined/],
  ['no tensors', () => write(FILE), /never-written\.safetensors: expected a list of tensors .*got undefined/],
  ['tensors by name', () => write(FILE, { a: VALUES }), /expected a list of tensors .*got an object/],
  [
    'a tensor without a name',
    () => write(FILE, [{ shape: [2], values: VALUES }]),
    /tensor 0: expected a name/,
  ],
  [
    'a tensor that is none',
    () => write(FILE, [undefined]),
    /tensor 0: expected a name, a text, got undefined/,
  ],
  ['a tensor without a shape', () => write(FILE, [{ name: 'a', values: VALUES }]), /"a": expected a shape/],
  [
    'a tensor without values',
    () => write(FILE, [{ name: 'a', shape: [2] }]),
    /"a": expected values, .*got undef/,
  ],
  [
    'a list of values',
    () => write(FILE, [{ name: 'a', shape: [2], values: [1, 2] }]),
    /values, .*got a list/,
  ],
  [
    'no folder',
    () => untyped(writeCheckpoint)(),
    /writeCheckpoint: expected the path of a folder, got undefined/,
  ],
  [
    'no tensors of a model',
    () => untyped(writeCheckpoint)(FILE),
    /expected a list of tensors .*got undefined/,
  ],
  ['no values', () => untyped(quantize)(), /quantize: expected the values as a Float32Array, got undefined/],
  ['a list to quantize', () => untyped(quantize)([1, 2]), /quantize: expected the values .*got a list/],
  [
    'no type',
    () => untyped(quantize)(VALUES),
    /quantize: expected the type nf4, fp4, int8, affine4, affine8, got undefined/,
  ],
  [
    'no shape',
    () => untyped(quantize)(VALUES, { quantType: 'nf4' }),
    /quantize nf4: expected a shape .*got undefined/,
  ],
  [
    'no quantized weight',
    () => untyped(dequantize)(),
    /dequantize: expected what quantize gave, got undefined/,
  ],
  [
    'no weights',
    () => untyped(quantizationError)(VALUES),
    /quantizationError: expected two Float32Arrays, got undef/,
  ],
  [
    'a setting by its name in the file',
    () => new BitsAndBytesConfig(JSON.parse('{ "load_in_4bit": true }')),
    /BitsAndBytesConfig: .*Unrecognized key: "load_in_4bit"/,
  ],
  ['no settings', () => new BitsAndBytesConfig(JSON.parse('null')), /BitsAndBytesConfig: .*expected object/],
]);
