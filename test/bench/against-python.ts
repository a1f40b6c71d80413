/**
 * A training step of GPT-2 beside the same one in Python (transformers on PyTorch, PEFT), one after the other in turn, so
 * that what else the machine does meets both. `TUNEBOOK_PYTHON` is a Python that has them.
 */
import { spawn } from 'node:child_process';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { tunebookEnvironment } from '../../lib/environment';
import { LoraConfig } from '../../lib/models';
import { AutoModelForCausalLM, getPeftModel } from '../../lib/pretrained';
import { ROOT } from '../support/paths';
import { steps, TOKENS } from './gpt2';
import { median } from './median';
import { processorSeconds } from './processor-time';

/** Medians of steps in turn. */
export interface InTurn {
  readonly tokensPerSecond: number;
  readonly theirTokensPerSecond: number;
  /** Median over the rounds of their time over ours. */
  readonly ratio: number;
  /** Processor time of Python's step over ours, which load disturbs less; NaN beside Linux. */
  readonly processorRatio: number;
}

/** Every kind of step. */
export interface AgainstPython {
  readonly full: InTurn;
  readonly lora: InTurn;
  /** Load of the machine at the end, over one minute. */
  readonly load: number;
}

interface Python {
  /** One step; its time in ms. */
  step(kind: 'full' | 'lora'): Promise<number>;
  /** Processor time of the process so far, seconds. */
  processorSeconds(): number;
  end(): void;
}

async function startPython(program: string, threads: number): Promise<Python> {
  const script = path.join(ROOT, 'test', 'bench', 'python-step.py');
  const child = spawn(program, [script, String(threads)], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<string> => {
    const { done, value } = await lines.next();
    if (done === true) throw new Error(`bench: ${program} ended`);
    return value;
  };
  await next(); // ready
  return {
    async step(kind) {
      child.stdin.write(`${kind}\n`);
      return Number(await next());
    },
    processorSeconds: () => processorSeconds(child.pid ?? -1),
    end: () => child.kill(),
  };
}

/** @param rounds steps of each, in turn; medians are given */
export async function benchAgainstPython(rounds = 9): Promise<AgainstPython> {
  const program = process.env.TUNEBOOK_PYTHON;
  if (!program)
    throw new Error('bench: expected TUNEBOOK_PYTHON, a Python with torch, transformers and peft');
  const python = await startPython(program, tunebookEnvironment().threads || os.availableParallelism());
  try {
    const inTurn = async (kind: 'full' | 'lora'): Promise<InTurn> => {
      console.error(`${kind} steps in turn`);
      const plain = await AutoModelForCausalLM.fromConfig(
        { model_type: 'gpt2' },
        { engine: { provider: 'cpu' } },
      );
      const model = kind === 'lora' ? getPeftModel(plain, new LoraConfig({ r: 8 })) : plain;
      for (let warm = 0; warm < 2; warm++) await python.step(kind);
      const theirProcessor: number[] = [];
      const { stepsMs, peaks, processorMs } = await steps(model, rounds, {
        peak: {
          measure: async () => {
            const from = python.processorSeconds();
            const ms = await python.step(kind);
            theirProcessor.push(1000 * (python.processorSeconds() - from));
            return ms;
          },
        },
      });
      await model.dispose();
      return {
        tokensPerSecond: (TOKENS / median(stepsMs)) * 1000,
        theirTokensPerSecond: (TOKENS / median(peaks)) * 1000,
        ratio: median(stepsMs.map((ms, i) => (peaks[i] + peaks[i + 1]) / 2 / ms)),
        processorRatio: median(theirProcessor) / processorMs,
      };
    };
    return { full: await inTurn('full'), lora: await inTurn('lora'), load: os.loadavg()[0] };
  } finally {
    python.end();
  }
}

/** The comparison as lines of a table. */
export function pythonRows(result: AgainstPython): [string, string][] {
  const kinds = { full: 'full fine-tuning', lora: 'LoRA' } as const;
  return [
    ...(['full', 'lora'] as const).flatMap((kind): [string, string][] => {
      const { tokensPerSecond, theirTokensPerSecond, ratio, processorRatio } = result[kind];
      const rates = `${tokensPerSecond.toFixed(0)} against ${theirTokensPerSecond.toFixed(0)} tokens/s`;
      return [
        [`${kinds[kind]} step, in turn with Python's`, rates],
        ['  faster, median of the rounds', `${ratio.toFixed(2)} times`],
        ["  Python's processor time over ours", processorRatio.toFixed(2)],
      ];
    }),
    ['load of the machine', result.load.toFixed(1)],
  ];
}
