/** Modelfiles: the template of a conversation in Ollama's language, the system text, and what ends an answer. */
import assert from 'node:assert/strict';
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { modelfileText } from '../../lib/export/ollama';
import { exportGguf, writeModelfile } from '../../lib/export';
import { AutoTokenizer } from '../../lib/tokenizer';
import type { PretrainedTokenizer } from '../../lib/tokenizer';
import { isError } from '../support/refusals';
import { temporaryFolder } from '../support/temporary-folder';

/** GPT-2's tokenizer with a chat template. */
async function withTemplate(folder: string, template: string): Promise<PretrainedTokenizer> {
  await (await AutoTokenizer.fromPretrained('gpt2')).savePretrained(folder);
  const file = path.join(folder, 'tokenizer_config.json');
  const config = JSON.parse(await fs.readFile(file, 'utf8')) as object;
  await fs.writeFile(file, JSON.stringify({ ...config, chat_template: template }));
  return AutoTokenizer.fromPretrained(folder);
}

const BAKED =
  "{%- set ns = namespace(system='You are a coach.') -%}" +
  "{%- for m in messages -%}{%- if m['role'] == 'system' -%}{%- set ns.system = m['content'] -%}{%- else -%}" +
  "{{- '### Instruction:\\n' + ns.system + '\\n\\n### Input:\\n' + m['content'] + '\\n\\n### Response:\\n' -}}" +
  '{%- endif -%}{%- endfor -%}';

describe('Modelfile', () => {
  it('has the training prompt, its system text and the end-of-text token', async (t) => {
    const tokenizer = await withTemplate(await temporaryFolder(t), BAKED);
    const text = modelfileText({
      tokenizer,
      generationConfig: { stop_strings: ['###'] },
      contextLength: 512,
    });
    assert.equal(
      text,
      'FROM ./model.gguf\n' +
        'TEMPLATE """### Instruction:\n{{ .System }}\n\n### Input:\n{{ .Prompt }}\n\n### Response:\n"""\n' +
        'SYSTEM """You are a coach."""\n' +
        'PARAMETER stop "<|endoftext|>"\nPARAMETER stop "###"\nPARAMETER temperature 0\nPARAMETER num_ctx 512\n',
    );
  });

  it('leaves the first token to Ollama, and samples where the model does', async () => {
    const tokenizer = await AutoTokenizer.fromPretrained('mistral');
    const generationConfig = { do_sample: true, temperature: 0.7, top_p: 0.9 };
    const text = modelfileText({ tokenizer, generationConfig, contextLength: 2048 });
    assert.match(text, /^TEMPLATE """[^<]*\[INST\] [^<]*\{\{ \.Prompt \}\}[^<]*\[\/INST\]/m);
    assert.match(text, /^PARAMETER stop "<\/s>"$/m);
    assert.match(text, /^PARAMETER temperature 0.7\nPARAMETER top_p 0.9$/m);
  });

  it('uses a prompt as it is where there is no template', async () => {
    const tokenizer = await AutoTokenizer.fromPretrained('gpt2');
    const text = modelfileText({ tokenizer, generationConfig: undefined, contextLength: 512 });
    assert.match(text, /^TEMPLATE """\{\{ \.Prompt \}\}"""$/m);
    assert.doesNotMatch(text, /SYSTEM/);
  });

  it('keeps braces of its own apart, and refuses quotes that it cannot hold', async (t) => {
    const folder = await temporaryFolder(t);
    const braces = await withTemplate(folder, "{{- '{{x ' + messages[0]['content'] -}}");
    const options = { generationConfig: undefined, contextLength: 8 };
    assert.match(modelfileText({ tokenizer: braces, ...options }), /\{\{ "\{\{" \}\}x \{\{ \.Prompt \}\}/);
    const quotes = await withTemplate(folder, `{{- '"""' + messages[0]['content'] -}}`);
    assert.throws(() => modelfileText({ tokenizer: quotes, ...options }), isError('Modelfile', '"""'));
  });

  it('is written beside its model', async (t) => {
    const folder = path.join(await temporaryFolder(t), 'made', 'here');
    const { files } = await writeModelfile('gpt2-mini', folder, { type: 'q8_0', check: false });
    assert.deepEqual(files, [path.join(folder, 'model.gguf'), path.join(folder, 'Modelfile')]);
    assert.deepEqual((await fs.readdir(folder)).sort(), ['Modelfile', 'model.gguf']);
  });

  it('a template that does not render is refused before anything is written', async (t) => {
    const folder = await temporaryFolder(t);
    const tokenizer = await withTemplate(path.join(folder, 'tokenizer'), "{{ raise_exception('no users') }}");
    const call = exportGguf('gpt2-mini', path.join(folder, 'x.gguf'), { tokenizer });
    await assert.rejects(call, isError('applyChatTemplate', 'no users'));
    assert.deepEqual(await fs.readdir(folder), ['tokenizer']);
  });
});
