/**
 * Training prompts as Jinja chat templates, for every tool that reads a model's folder. They take a turn's content whole
 * (some tools look at a template with placeholders in place of texts), write every turn, and leave system texts out: the
 * one of the training is part of the template. Only what all the engines know is used: transformers, llama.cpp, its
 * older reader, @huggingface/jinja.
 */

/** A text as a literal. Line breaks are escaped, as Jinja makes others of them; braces cannot be taken for a tag. */
export function literal(text: string): string {
  const escaped = text
    .replaceAll('\\', '\\\\')
    .replaceAll("'", "\\'")
    .replaceAll('\n', '\\n')
    .replaceAll('\r', '\\r')
    .replaceAll('\t', '\\t');
  return `'${escaped.replace(/\{(?=[{%#])|[}%#-](?=\})/g, "$&' + '")}'`;
}

/**
 * The instruction form: each user's turn between two texts, each answer before the end of the text.
 * @param bos expression that begins a conversation
 */
export function instructionJinja(
  { before, after }: { before: string; after: string },
  bos: string | undefined,
): string {
  const user = [...(before === '' ? [] : [literal(before)]), "message['content']"];
  if (after !== '') user.push(literal(after));
  return [
    ...(bos === undefined ? [] : [`{{- ${bos} -}}`]),
    '{%- for message in messages -%}',
    "{%- if message['role'] == 'user' -%}",
    `{{- ${user.join(' + ')} -}}`,
    "{%- elif message['role'] == 'assistant' -%}",
    "{{- message['content'] + eos_token -}}",
    "{%- elif message['role'] != 'system' and message['role'] != 'developer' -%}",
    "{{- raise_exception('expected the roles user, assistant and system, got ' + message['role']) -}}",
    '{%- endif -%}',
    '{%- endfor -%}',
  ].join('\n');
}

const WRAP_START = '{%- set kept = namespace(turns=[';
// What prints nothing keeps white space at the template's beginning from being trimmed.
const WRAP_END = "{%- set messages = kept.turns -%}{{ '' }}";

/** A chat template without the system text that `withSystem` gave it. */
export function withoutSystem(template: string): string {
  const end = template.startsWith(WRAP_START) ? template.indexOf(WRAP_END) : -1;
  return end < 0 ? template : template.slice(end + WRAP_END.length);
}

/** A chat template whose conversations begin with a system text of its own, whatever system text they bring. */
export function withSystem(template: string, system: string): string {
  return [
    `${WRAP_START}{'role': 'system', 'content': ${literal(system)}}]) -%}`,
    '{%- for message in messages -%}',
    "{%- if message['role'] != 'system' and message['role'] != 'developer' -%}",
    '{%- set kept.turns = kept.turns + [message] -%}',
    '{%- endif -%}',
    '{%- endfor -%}',
    WRAP_END,
    template,
  ].join('');
}
