/**
 * `npm run bench -- gpt2|gpu|families|decode|quantization|mistral|mistral-layer|dataset|stream|notebook|start|scale|preflight|resume|serve|export|export-memory|distributed [--json]`: speeds as ratios inside one run, and peak
 * memory. Never part of the tests, whose machine may be busy. `mistral` takes `--layers N --folder F --rows R --tokens T
 * --steps S`, `gpu` takes `--provider P --layers N`, `serve` takes
 * `--layers N --rows REQUESTS --tokens T`, `export` takes `--folder RUN --rows R --system TEXT --only RUNTIME
 * --transformers2 FOLDER`, `export-memory` takes `--layers N --only EXPORT` and `7b` for that shape, `stream` the megabytes
 * of its file, `--gb N` or a data file (`--folder FILE`), `families` the begin of a model's name (`--only`), `--steps REPEATS`
 * and `--tokens T`, `decode` those of a shape and a form,
 * `quantization` a model's name or folder, or a run's (`--folder RUN`), `--rows R --only TYPES`; `gpt2` says with `--profile` where a step goes (`--lora`,
 * `--only gpt2-mini`), with `--only generation` what tokens take, with `--against-python` how it stands to
 * TUNEBOOK_PYTHON's, and takes `--steps ROUNDS`;
 * `scale` takes the names of curves (`--only length,batch,rows,cells`).
 */
import { parseArgs } from 'node:util';
import { benchAgainstPython, pythonRows } from './against-python';
import { benchDataset } from './data/dataset';
import { benchStream } from './data/stream';
import { benchDecode, decodeRows } from './decode';
import { benchDistributed, distributedRows } from './distributed';
import { benchFamilies, familiesTable } from './families';
import { benchExport } from './export';
import type { ExportBench, TaskFigures } from './export';
import { benchExportMemory } from './export-memory';
import { generationRows } from './generation';
import { benchGpt2, benchGpt2Generation } from './gpt2';
import { benchGpu } from './gpu';
import type { Provider } from '../../lib/engine';
import { benchMistral } from './mistral';
import { benchWholeMistral } from './mistral-whole';
import type { WholeBench } from './mistral-whole';
import { benchNotebook } from './notebook';
import { benchPreflight } from './preflight';
import { benchProfile, profileRows } from './profile';
import { benchQuantization } from './quantization';
import { benchResume } from './resume';
import { benchScale, scaleRows } from './scale';
import { benchServe } from './serve';
import { benchStart, startRows } from './start';

type Row = [name: string, value: string];

async function main(): Promise<void> {
  const text = { type: 'string' } as const;
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      json: { type: 'boolean', default: false },
      profile: { type: 'boolean', default: false },
      lora: { type: 'boolean', default: false },
      'against-python': { type: 'boolean', default: false },
      ...{ layers: text, folder: text, rows: text, tokens: text, steps: text, provider: text },
      ...{ system: text, only: text, transformers2: text, gb: text },
    },
  });
  const { json } = values;
  const [which = 'gpt2', ...numbers] = positionals;
  const rounds = values.steps === undefined ? undefined : Number(values.steps);
  if (which === 'gpt2' && values.profile) {
    const result = await benchProfile({ model: values.only, lora: values.lora, rounds });
    print(json, result, profileRows(result));
  } else if (which === 'gpt2' && values['against-python']) {
    const result = await benchAgainstPython(rounds);
    print(json, result, pythonRows(result));
  } else if (which === 'gpt2' && values.only === 'generation') {
    const result = await benchGpt2Generation();
    print(json, result, generationRows(result));
  } else if (which === 'gpt2') {
    const result = await benchGpt2(rounds);
    print(json, result, [
      [
        'float32 GEMM 2048^3, best (median)',
        `${result.gemmGflops.toFixed(0)} (${result.gemmMedianGflops.toFixed(0)}) GFLOP/s`,
      ],
      ['full fine-tuning step, 4 x 192 tokens', `${result.fullStepMs.toFixed(0)} ms`],
      ['  of which clipping and AdamW', `${result.optimizerMs.toFixed(0)} ms`],
      ['  tokens/s', result.fullTokensPerSecond.toFixed(0)],
      ['  share of the GEMM peak beside each step, median', percent(result.fullShareOfPeak)],
      ['  fastest step, share of the best GEMM', percent(result.bestStepShareOfPeak)],
      ['  with dropout', `${result.dropoutStepMs.toFixed(0)} ms`],
      ['LoRA step (r 8, c_attn)', `${result.loraStepMs.toFixed(0)} ms`],
      ['  tokens/s', result.loraTokensPerSecond.toFixed(0)],
      ...generationRows(result.generation),
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
      ['the cell after an import (the compiler reads the library once more)', ms(result.afterImportMs)],
      ['completion', ms(result.completionMs)],
      ['limits (2 s, 150 ms) held', String(result.reached)],
    ]);
  } else if (which === 'start') {
    const result = await benchStart();
    print(json, result, startRows(result));
  } else if (which === 'scale') {
    const result = await benchScale(values.only);
    print(json, result, scaleRows(result));
  } else if (which === 'mistral') {
    const number = (given: string | undefined): number | undefined =>
      given === undefined ? undefined : Number(given);
    const { folder, layers, rows, tokens, steps } = values;
    const sizes = {
      layers: number(layers),
      rows: number(rows),
      tokens: number(tokens),
      steps: number(steps),
    };
    const result = await benchWholeMistral({ folder, ...sizes });
    print(json, result, wholeRows(result));
  } else if (which === 'gpu') {
    const provider = values.provider as Provider | undefined;
    const layers = values.layers === undefined ? undefined : Number(values.layers);
    const result = await benchGpu({ provider, layers });
    const step = (timed: { stepMs: number; tokensPerSecond: number }): string =>
      `${timed.stepMs.toFixed(0)} ms, ${timed.tokensPerSecond.toFixed(0)} tokens/s`;
    const { mistral, tokensPerSecond } = result;
    print(json, result, [
      [
        'float32 GEMM 2048^3, 4096^3',
        `${result.gemmGflops.map((value) => value.toFixed(0)).join(', ')} GFLOP/s`,
      ],
      ['full fine-tuning step of GPT-2, 4 x 192 tokens', step(result.full)],
      ['  of which clipping and AdamW', `${result.optimizerMs.toFixed(0)} ms`],
      ['  share of the larger GEMM', percent(result.fullShareOfPeak)],
      ['  with dropout', step(result.fullWithDropout)],
      ['LoRA step (r 8, c_attn)', step(result.lora)],
      [
        'generation, batch 1 and 16',
        `${tokensPerSecond.one.toFixed(0)} and ${tokensPerSecond.sixteen.toFixed(0)} tokens/s`,
      ],
      [
        `${mistral.layers} layers of Mistral-7B in NF4`,
        `on the GPU in ${mistral.loadSeconds.toFixed(1)} s, ${(mistral.heldBytes / 1e9).toFixed(2)} GB`,
      ],
      ['  LoRA step, 2 x 192 tokens', `${mistral.stepMs.toFixed(0)} ms`],
      ['  a token', `${mistral.tokenMs.toFixed(0)} ms`],
    ]);
  } else if (which === 'preflight') {
    const results = benchPreflight(numbers.length > 0 ? numbers.map(Number) : undefined);
    const signed = (share: number): string => `${share >= 0 ? '+' : ''}${percent(share)}`;
    const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(2)} GB`;
    const rows = results.flatMap((r): Row[] => [
      [r.name, `preflight ${r.preflightSeconds.toFixed(1)} s`],
      [
        '  time predicted, taken',
        `${r.predictedSeconds.toFixed(1)} s (${r.lowSeconds.toFixed(1)} to ${r.highSeconds.toFixed(1)}), ` +
          `${r.actualSeconds.toFixed(1)} s: ${signed(r.timeError)}`,
      ],
      [
        '  peak memory predicted, taken',
        `${gigabytes(r.predictedBytes)}, ${gigabytes(r.actualBytes)}: ${signed(r.memoryError)} ` +
          `(without preflight ${gigabytes(r.actualBytesWithout)})`,
      ],
      ...(r.generation === undefined
        ? []
        : [
            [
              '  with tokens afterwards',
              `${gigabytes(r.generation.predictedBytes)}, ${gigabytes(r.generation.actualBytes)}: ` +
                signed(r.generation.memoryError),
            ] as Row,
          ]),
    ]);
    print(json, results, rows);
  } else if (which === 'resume') {
    const results = await benchResume();
    const rows = results.flatMap((r): Row[] => [
      [
        `${r.examples} examples, step ${r.step}`,
        `step ${r.stepInEpoch} of the epoch after ${r.epochsDone} whole ones`,
      ],
      ['  finding its batch', `${r.findMs.toFixed(0)} ms`],
      ['  from train() to it, with the checkpoint read', `${r.resumeMs.toFixed(0)} ms`],
    ]);
    print(json, results, rows);
  } else if (which === 'serve') {
    const number = (given: string | undefined): number | undefined =>
      given === undefined ? undefined : Number(given);
    const { layers, rows, tokens } = values;
    const result = await benchServe({
      requests: number(rows),
      tokens: number(tokens),
      layers: number(layers),
    });
    print(json, result, [
      ['requests, lost, with a wrong answer', `${result.requests}, ${result.lost}, ${result.wrong}`],
      ['requests a second', result.requestsPerSecond.toFixed(0)],
      ['memory after each tenth', `${result.residentMb.join(', ')} MB`],
      ...result.batches.map(({ maxBatch, requestsPerSecond, occupancy, queueMs, firstTokenMs }): Row => [
        `32 clients, at most ${maxBatch} rows a step`,
        `${requestsPerSecond.toFixed(0)} requests/s, ${occupancy.toFixed(1)} rows a step; queue ${queueMs.toFixed(0)} ms; ` +
          `first token ${firstTokenMs[0].toFixed(0)} ms, 5 % over ${firstTokenMs[1].toFixed(0)} ms`,
      ]),
      ...Object.entries(result.tokensPerSecond).map(([together, value]): Row => [
        `GPT-2, ${together} at a time`,
        `${value.toFixed(1)} tokens/s`,
      ]),
    ]);
  } else if (which === 'export') {
    const { folder = 'outputs/01-gpt2-finetuning', system, only, transformers2 } = values;
    const rows = values.rows === undefined ? undefined : Number(values.rows);
    const results = await benchExport(folder, { rows, system, only, transformers2 }, (one) =>
      console.error(exportRow(one).join(': ')),
    );
    print(json, results, results.map(exportRow));
  } else if (which === 'export-memory') {
    const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(2)} GB`;
    const results = await benchExportMemory(
      {
        layers: values.layers === undefined ? undefined : Number(values.layers),
        isWhole: numbers[0] === '7b',
        only: values.only,
      },
      ({ name, layers, seconds, peakBytes, anonymousBytes, mappedBytes }) =>
        console.error(
          `${name}, ${layers} layers: ${seconds.toFixed(0)} s, peak ${gigabytes(peakBytes)} ` +
            `(allocated ${gigabytes(anonymousBytes)}, mapped ${gigabytes(mappedBytes)})`,
        ),
    );
    print(
      json,
      results,
      results.map((one): Row => [
        `${one.name}, ${one.layers} layers: ${gigabytes(one.checkpointBytes)} in 16 bits`,
        `${gigabytes(one.writtenBytes)} written, peak ${gigabytes(one.peakBytes)}`,
      ]),
    );
  } else if (which === 'quantization') {
    const { folder, only } = values;
    const rows = values.rows === undefined ? undefined : Number(values.rows);
    const results = await benchQuantization({ model: numbers[0], folder, only, rows });
    print(
      json,
      results,
      results.map((one): Row => [
        `${one.type}, ${one.bits} bits${one.isCoded ? ', by codes' : ''}`,
        `perplexity ${one.perplexity.toFixed(3)}, KL ${one.kl.toExponential(1)}, same choice ${percent(one.sameChoice)}; ` +
          `${one.sameText} of ${one.rows} the same text` +
          (one.margins.length === 0
            ? ''
            : `, the others ${one.margins.map((nats) => nats.toPrecision(1)).join(', ')} nats from a tie`),
      ]),
    );
  } else if (which === 'decode') {
    const results = benchDecode(numbers[0], numbers[1]);
    print(json, results, results.flatMap(decodeRows));
  } else if (which === 'distributed') {
    const result = benchDistributed();
    print(json, result, distributedRows(result));
  } else if (which === 'families') {
    const count = (given: string | undefined): number | undefined =>
      given === undefined ? undefined : Number(given);
    const results = benchFamilies({
      name: numbers[0] ?? values.only,
      ...{ repeats: count(values.steps), tokens: count(values.tokens) },
    });
    console.log(json ? JSON.stringify(results, null, 2) : familiesTable(results));
  } else if (which === 'stream') {
    const size = values.gb === undefined ? numbers[0] : 1000 * Number(values.gb);
    const given = values.folder ?? (size === undefined ? undefined : Number(size));
    const result = benchStream(given, (name, part) => console.error(name, JSON.stringify(part)));
    const { resumed, mini } = result;
    const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(2)} GB`;
    print(json, result, [
      ['read and encoded, once', `${gigabytes(result.fileBytes)}, ${result.records} records`],
      ['  time', `${result.seconds.toFixed(0)} s, ${result.megabytesPerSecond.toFixed(0)} MB/s`],
      ['  peak memory', gigabytes(result.peakBytes)],
      [
        'taken up in the middle',
        `${resumed.isSame ? 'the same batch' : 'ANOTHER BATCH'} after ${resumed.findMs.toFixed(0)} ms, ` +
          `peak ${gigabytes(resumed.peakBytes)}`,
      ],
      [`gpt2-mini, ${mini.steps} steps`, `loss ${mini.loss.toFixed(2)}, peak ${gigabytes(mini.peakBytes)}`],
      ['in under 1 GB, the batch in under 5 s', String(result.reached)],
    ]);
  } else if (which === 'dataset' || which === 'mistral-layer') {
    const result: object = which === 'dataset' ? await benchDataset() : await benchMistral();
    print(
      json,
      result,
      Object.entries(result).map(([name, value]): Row => [name, String(value)]),
    );
  } else {
    console.error(
      `bench: expected gpt2, gpu, families, decode, quantization, mistral, mistral-layer, dataset, stream, notebook, start, scale, preflight, resume, serve, export, export-memory or distributed, got ${which}.`,
    );
    process.exit(2);
  }
}

function exportRow(one: ExportBench): Row {
  const { runtime, type, megabytes, sameText, rows, here, there, byWeights } = one;
  const margins = [...one.margins].sort((a, b) => a - b).map((margin) => margin.toPrecision(1));
  const differing =
    margins.length === 0
      ? ''
      : `; of the others tunebook gives ${byWeights} too with the file's weights; there its two likeliest tokens are ` +
        `${margins.join(', ')} nats apart`;
  const words = `${sameText} of ${rows} the same text; ${taskWords(there)}; in tunebook ${taskWords(here)}${differing}`;
  return [`${runtime} ${type}, ${megabytes.toFixed(1)} MB`, words];
}

function taskWords({ exact, verdicts, segments }: TaskFigures): string {
  const [verdict, segment] = [verdicts, segments].map((value) => (value === null ? '-' : percent(value)));
  return `exact ${exact}, verdicts ${verdict}, segments ${segment}`;
}

function wholeRows(result: WholeBench): Row[] {
  const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(2)} GB`;
  const phase = (name: string, values: WholeBench['inMemory']): Row[] => [
    [`${name}: loading`, `${values.loadSeconds.toFixed(0)} s, peak ${gigabytes(values.loadPeakBytes)}`],
    ['  planned in memory', `${values.memoryBytes} bytes`],
    ['  planned on disk', `${values.diskBytes} bytes`],
    ['  process once loaded', gigabytes(values.loadedBytes)],
    ['  LoRA step', `${values.stepSeconds.toFixed(1)} s, peak ${gigabytes(values.peakBytes)}`],
    ['  share of the GEMM peak', `${percent(values.shareOfPeak)} of ${values.peakGflops.toFixed(0)} GFLOP/s`],
  ];
  const { fresh } = result;
  return [
    ['layers, tokens of a step', `${result.layers}, ${result.tokens}`],
    ['parameters', `${result.parameters}; ${result.trainable}`],
    [
      '16-bit checkpoint',
      `${gigabytes(result.checkpointBytes)}, written in ${result.writeSeconds.toFixed(0)} s`,
    ],
    ...phase('in memory', result.inMemory),
    ...phase('layers on disk', result.offloaded),
    ['  step over that in memory', result.offloadedOverInMemory.toFixed(2)],
    [
      'fresh process',
      `loaded in ${(fresh.loadMs / 1000).toFixed(0)} s, prompt and 8 tokens in ${(fresh.generateMs / 1000).toFixed(1)} s, ` +
        `peak ${gigabytes(fresh.peakMemoryBytes)}`,
    ],
  ];
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
