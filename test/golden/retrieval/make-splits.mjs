// Chunks as LangChain.js makes them, for test/retrieval/documents.test.ts. In a folder of its own:
//   npm install @langchain/core@1.4.0 @langchain/textsplitters@1.0.2 && node make-splits.mjs > golden-splits.json
import { RecursiveCharacterTextSplitter } from '@langchain/textsplitters';

// Words of many lengths in lines and paragraphs of many lengths, a few without a space.
let state = 7;
const next = (bound) => {
  state = (state * 1103515245 + 12345) % 2147483648;
  return Math.floor(state / 65536) % bound;
};
const word = () => 'abcdefghijklmnop'.slice(0, 1 + next(12));
const line = () => Array.from({ length: 1 + next(14) }, word).join(next(9) === 0 ? '' : ' ');
const paragraph = () => Array.from({ length: 1 + next(5) }, line).join('\n');
const text = Array.from({ length: 12 }, paragraph).join('\n\n') + '\n\n\n' + 'x'.repeat(130);

const cases = [];
for (const [chunkSize, chunkOverlap] of [[50, 0], [80, 20], [200, 50], [1000, 200], [33, 32]]) {
  const splitter = new RecursiveCharacterTextSplitter({ chunkSize, chunkOverlap });
  cases.push({ chunkSize, chunkOverlap, chunks: await splitter.splitText(text) });
}
console.log(JSON.stringify({ text, cases }));
