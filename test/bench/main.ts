/**
 * `npm run bench -- gpt2|mistral|dataset|notebook [--json]`: speeds as ratios inside one run, and peak memory. Never part of the
 * tests, whose machine may be busy.
 */
import { benchDataset } from './dataset';
import { benchGpt2 } from './gpt2';
import { benchMistral } from './mistral';
import { benchNotebook } from './notebook';

type Row = [name: string, value: string];

async function main(): Promise<void> {
  const args = process.argv.slice(2);
  const json = args.includes('--json');
  const [which = 'gpt2'] = args.filter((arg) => !arg.startsWith('--'));
  if (which === 'gpt2') {
    const result = await benchGpt2();
    print(json, result, [
      ['float32 GEMM 2048^3', `${result.gemmGflops.toFixed(0)} GFLOP/s`],
      ['full fine-tuning step, 4 x 192 tokens', `${result.fullStepMs.toFixed(0)} ms`],
      ['  of which clipping and AdamW', `${result.optimizerMs.toFixed(0)} ms`],
      ['  tokens/s', result.fullTokensPerSecond.toFixed(0)],
      ['  share of the GEMM peak', percent(result.fullShareOfPeak)],
      ['LoRA step (r 8, c_attn)', `${result.loraStepMs.toFixed(0)} ms`],
      ['  tokens/s', result.loraTokensPerSecond.toFixed(0)],
      ['generation, batch 1', `${result.generation.tokensPerSecond.toFixed(1)} tokens/s`],
      ['  share of the memory bandwidth', percent(result.generation.shareOfBandwidth)],
      ['compile time', `${result.compileMs.toFixed(0)} ms`],
      ['peak memory of full fine-tuning', `${(result.peakBytes / 1e9).toFixed(2)} GB`],
    ]);
  } else if (which === 'notebook') {
    const result = await benchNotebook();
    const seconds = (value: number): string => `${value.toFixed(2)} s`;
    const ms = (value: number): string => `${value.toFixed(0)} ms`;
    print(json, result, [
      ['kernel answers after', seconds(result.startSeconds)],
      ['its first cell', seconds(result.firstCellSeconds)],
      ["import from 'tunebook', second cell", seconds(result.importSeconds)],
      ["import from 'tunebook', first cell of an idle kernel", seconds(result.importFirstSeconds)],
      ['overhead of a cell, library loaded', ms(result.cellMs)],
      ['  the slowest of 20', ms(result.slowestCellMs)],
      ['completion', ms(result.completionMs)],
      ['limits (2 s, 150 ms) held', String(result.reached)],
    ]);
  } else if (which === 'dataset' || which === 'mistral') {
    const result: object = which === 'dataset' ? await benchDataset() : await benchMistral();
    print(
      json,
      result,
      Object.entries(result).map(([name, value]): Row => [name, String(value)]),
    );
  } else {
    console.error(`bench: expected gpt2, mistral, dataset or notebook, got ${which}.`);
    process.exit(2);
  }
}

function print(json: boolean, result: object, rows: readonly Row[]): void {
  if (json) {
    console.log(JSON.stringify(result, null, 2));
    return;
  }
  const width = Math.max(...rows.map(([name]) => name.length));
  for (const [name, value] of rows) console.log(`${name.padEnd(width)}  ${value}`);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

void main();
