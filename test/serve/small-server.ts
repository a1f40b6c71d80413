/** A server of a tiny model with random weights, whose answers are bytes in any order, and a client that others wrote. */
import fs from 'node:fs/promises';
import path from 'node:path';
import type { TestContext } from 'node:test';
import OpenAI from 'openai';
import { createRandom } from '../../lib/dataset';
import { LoraConfig } from '../../lib/models';
import { AutoModelForCausalLM, getPeftModel } from '../../lib/pretrained';
import type { CausalLM } from '../../lib/pretrained';
import { serve } from '../../lib/serve';
import type { RunningServer, ServeOptions } from '../../lib/serve';
import { AutoTokenizer } from '../../lib/tokenizer';
import type { PretrainedTokenizer } from '../../lib/tokenizer';
import { ROOT } from '../support/paths';
import { temporaryFolder } from '../support/temporary-folder';

/** Raises, as templates of models do, where a conversation begins with an answer. */
export const CHAT_TEMPLATE =
  "{% if messages[0].role == 'assistant' %}{{ raise_exception('A conversation begins with a question.') }}{% endif %}" +
  '{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content }}\n{% endfor %}' +
  '{% if add_generation_prompt %}[assistant]{% endif %}';

const GPT2 = { model_type: 'gpt2', vocab_size: 305, n_positions: 160, n_embd: 16, n_layer: 2, n_head: 2 };

export interface SmallServer {
  readonly model: CausalLM;
  /** The same weights in a model of their own: the server's is the server's alone. */
  readonly twin: CausalLM;
  readonly tokenizer: PretrainedTokenizer;
  readonly server: RunningServer;
  readonly client: OpenAI;
}

/** A tokenizer of single bytes with a chat template. */
export async function smallTokenizer(t: TestContext): Promise<PretrainedTokenizer> {
  const folder = await temporaryFolder(t);
  await fs.cp(path.join(ROOT, 'test', 'golden', 'tokenizer', 'byte-level'), folder, { recursive: true });
  const file = path.join(folder, 'tokenizer_config.json');
  const config = JSON.parse(await fs.readFile(file, 'utf8')) as object;
  await fs.writeFile(file, JSON.stringify({ ...config, chat_template: CHAT_TEMPLATE }));
  return AutoTokenizer.fromPretrained(folder);
}

export async function smallModel(): Promise<CausalLM> {
  return AutoModelForCausalLM.fromConfig({ ...GPT2, eos_token_id: 301, initializer_range: 0.4 }, { seed: 9 });
}

/** Puts an adapter on the model that changes its answers much. */
export function putAdapter(model: CausalLM, adapterName: string): void {
  getPeftModel(model, new LoraConfig({ r: 4, targetModules: ['c_attn', 'c_fc'] }), { adapterName });
  const random = createRandom(adapterName);
  for (const { data } of model.trainableParameters())
    for (let i = 0; i < data.length; i++) data[i] = 0.3 * random.nextNormal();
}

/** A server that ends with the test. */
export async function startSmall(
  t: TestContext,
  { adapters = [], ...options }: Partial<ServeOptions> & { adapters?: readonly string[] } = {},
): Promise<SmallServer> {
  const tokenizer = await smallTokenizer(t);
  const [model, twin] = [await smallModel(), await smallModel()];
  for (const name of adapters) for (const each of [model, twin]) putAdapter(each, name);
  const server = await serve(model, { tokenizer, name: 'small', port: 0, ...options });
  t.after(async () => {
    await server.close({ graceMs: 0 });
    await Promise.all([model.dispose(), twin.dispose()]);
  });
  return { model, twin, tokenizer, server, client: clientOf(server, options.token) };
}

/** The `openai` package on a server. */
export function clientOf({ url }: RunningServer, token = 'none'): OpenAI {
  return new OpenAI({ baseURL: `${url}/v1`, apiKey: token, maxRetries: 0 });
}
