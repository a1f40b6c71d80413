// The page at `/` of `tunebook serve`: chat over the server's own endpoints, and the form for a race.
'use strict';

const part = (id) => document.getElementById(id);
const turns = []; // { role, content } as they are sent
let running; // AbortController of the answer that streams

function headers() {
  const token = part('token').value;
  return {
    'content-type': 'application/json',
    ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
  };
}

function showProblem(text) {
  part('problem').textContent = text;
  part('problem').hidden = text === '';
}

async function call(path, options = {}) {
  const response = await fetch(path, { ...options, headers: headers() });
  if (response.ok) return response;
  if (response.status === 401) part('token-field').hidden = false;
  const { error } = await response.json().catch(() => ({ error: { message: `status ${response.status}` } }));
  throw new Error(error.message);
}

function addTurn(role, text) {
  const turn = document.createElement('div');
  turn.className = `turn ${role}`;
  turn.textContent = text;
  part('turns').append(turn);
  turn.scrollIntoView({ block: 'nearest' });
  return turn;
}

/** The objects of a stream of server-sent events. */
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    rest += value;
    const blocks = rest.split('\n\n');
    rest = blocks.pop();
    for (const block of blocks) {
      const data = block.replace(/^data: /, '');
      if (data !== '[DONE]') yield JSON.parse(data);
    }
  }
}

async function ask(event) {
  event.preventDefault();
  if (running !== undefined) return;
  const question = part('question').value;
  const isPlain = part('plain').checked;
  part('question').value = '';
  showProblem('');
  addTurn('user', question);
  const answer = addTurn('assistant', '');
  turns.push({ role: 'user', content: question });
  let text;
  running = new AbortController();
  part('send').disabled = true;
  part('stop').disabled = false;
  try {
    const response = await call(isPlain ? '/v1/completions' : '/v1/chat/completions', {
      method: 'POST',
      signal: running.signal,
      body: JSON.stringify({
        model: part('model').value,
        ...(isPlain ? { prompt: question } : { messages: turns }),
        temperature: Number(part('temperature').value),
        max_tokens: Number(part('length').value),
        stream: true,
      }),
    });
    for await (const { choices, error } of events(response)) {
      if (error !== undefined) throw new Error(error.message);
      answer.textContent += choices[0]?.delta?.content ?? choices[0]?.text ?? '';
    }
  } catch (error) {
    const note = document.createElement('div');
    note.className = 'note';
    note.textContent = error.name === 'AbortError' ? 'stopped' : error.message;
    text = answer.textContent;
    answer.append(note);
  }
  // A question without an answer is not asked again; of a chat that was cleared nothing is.
  const isHere = answer.isConnected;
  text ??= answer.textContent;
  if (isHere && text !== '') turns.push({ role: 'assistant', content: text });
  else if (isHere) turns.pop();
  running = undefined;
  part('send').disabled = false;
  part('stop').disabled = true;
  part('question').focus();
}

function fieldOf({ name, choices }) {
  const label = document.createElement('label');
  label.textContent = name;
  const input = document.createElement(choices === undefined ? 'input' : 'select');
  input.name = name;
  input.required = true;
  if (choices === undefined) input.placeholder = 'm:ss or number';
  for (const choice of choices ?? []) input.append(new Option(choice));
  label.append(input);
  return label;
}

async function showRaceForm() {
  const response = await fetch('/feedback/form', { headers: headers() });
  if (!response.ok) return; // a server without races to compare with
  part('fields').replaceChildren(...(await response.json()).map(fieldOf));
  part('race').hidden = false;
}

async function writeFeedback(event) {
  event.preventDefault();
  showProblem('');
  try {
    const body = JSON.stringify(Object.fromEntries(new FormData(part('race-form'))));
    const { url } = await (await call('/feedback', { method: 'POST', body })).json();
    part('feedback').src = url;
    part('feedback').hidden = false;
    part('feedback').scrollIntoView({ behavior: 'smooth' });
  } catch (error) {
    showProblem(error.message);
    part('problem').scrollIntoView({ block: 'center' });
  }
}

/** A model without a chat template continues texts. */
function showModel() {
  const isChat = part('model').selectedOptions[0]?.dataset.chat === 'true';
  part('plain').checked = !isChat;
  part('plain').disabled = !isChat;
}

async function start() {
  showProblem('');
  try {
    const { data } = await (await call('/v1/models')).json();
    const models = data.filter((model) => model.max_model_len !== undefined);
    part('model').replaceChildren(
      ...models.map(({ id, has_chat_template: isChat }) => {
        const option = new Option(id);
        option.dataset.chat = String(isChat);
        return option;
      }),
    );
    showModel();
    await showRaceForm();
  } catch (error) {
    showProblem(error.message);
  }
}

part('ask').addEventListener('submit', ask);
part('question').addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    part('ask').requestSubmit();
  }
});
part('stop').addEventListener('click', () => running?.abort());
part('clear').addEventListener('click', () => {
  running?.abort();
  turns.length = 0;
  part('turns').replaceChildren();
});
part('race-form').addEventListener('submit', writeFeedback);
part('model').addEventListener('change', showModel);
part('token').addEventListener('change', start);
void start();
