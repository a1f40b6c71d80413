/** A process whose memory is measured or bounded: see memory.test.ts. Prints one line of JSON. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createEngine } from '../../lib/engine';
import { CodedModel } from '../../lib/generation/passes/coded-model';
import { codesPeakBytes } from '../../lib/generation/passes/coded-plan';
import { generate } from '../../lib/generation';
import { architectureOf, peakMemoryBytes } from '../../lib/models';
import type { CausalLM } from '../../lib/pretrained';
import { messageOf } from '../../lib/types';
import { randomModel } from '../bench/mistral';
import type { RandomForm } from '../bench/mistral';

const SIZES = {
  ...{ model_type: 'llama', rms_norm_eps: 1e-5, tie_word_embeddings: false, rope_theta: 10_000 },
  ...{ max_position_embeddings: 2048, hidden_size: 256, intermediate_size: 512, num_hidden_layers: 2 },
  ...{ num_attention_heads: 16, num_key_value_heads: 4, vocab_size: 1000 },
};

async function modelOf(sizes: Partial<typeof SIZES>, form: RandomForm = 'nf4'): Promise<CausalLM> {
  return randomModel(
    await createEngine({ provider: 'cpu', threads: 1 }),
    architectureOf({ ...SIZES, ...sizes }),
    form,
  );
}

/** What the process may still map. */
function leave(bytes: number): void {
  const kilobytes = /^VmSize:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  const limit = Number(kilobytes) * 1024 + bytes;
  const { status, stderr } = spawnSync('prlimit', [`--pid=${process.pid}`, `--as=${limit}`], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`prlimit: ${stderr}`);
}

/** Codes of weights in functions of the size that there are: what they are planned to take, and what they do. */
async function planned(form: RandomForm, layers: number): Promise<object> {
  const sizes = { hidden_size: 1024, intermediate_size: 2816, num_hidden_layers: layers };
  const { runtime } = await modelOf(sizes, form);
  const plannedBytes = codesPeakBytes(runtime);
  globalThis.gc?.();
  writeFileSync('/proc/self/clear_refs', '5'); // the peak is counted anew
  const before = process.memoryUsage.rss();
  const coded = await CodedModel.build(runtime);
  return { layers: coded?.codedLayers, plannedBytes, takenBytes: peakMemoryBytes() - before };
}

/** Tokens of a model with three matrices of 51 million values, whose codes find less memory than they need. */
async function codes(leftBytes: number): Promise<object> {
  const model = await modelOf({ intermediate_size: 200_000, num_hidden_layers: 1 });
  const options = { inputIds: [[1, 2, 3]], maxNewTokens: 3, eosTokenId: null };
  const exact = await generate(model, { ...options, dtype: 'float32' });
  const lines: string[] = [];
  console.warn = (line: string) => lines.push(line);
  leave(leftBytes);
  const { newTokens } = await generate(model, { ...options, dtype: 'q8' });
  const again = await generate(model, options);
  return { exact: exact.newTokens, tokens: newTokens, again: again.newTokens, lines };
}

/** A prompt whose scores of attention find no memory, and a short one after it. */
async function prompt(leftBytes: number): Promise<object> {
  const model = await modelOf({});
  const ask = async (tokens: number, dtype: 'q8' | 'float32'): Promise<number[]> => {
    const inputIds = [Array.from({ length: tokens }, (_, i) => (i * 7) % 1000)];
    const { newTokens } = await generate(model, { inputIds, maxNewTokens: 3, eosTokenId: null, dtype });
    return newTokens[0];
  };
  const before = [await ask(20, 'q8'), await ask(20, 'float32')];
  leave(leftBytes);
  const errors: string[] = [];
  for (const dtype of ['q8', 'float32'] as const)
    await ask(1900, dtype).catch((error: unknown) => errors.push(messageOf(error)));
  return { errors, before, after: [await ask(20, 'q8'), await ask(20, 'float32')] };
}

const [what, value, layers] = process.argv.slice(2);
const jobs: Record<string, () => Promise<object>> = {
  planned: () => planned(value as RandomForm, Number(layers)),
  codes: () => codes(Number(value)),
  prompt: () => prompt(Number(value)),
};
void jobs[what]().then((result) => {
  process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
});
