/** What showMask shows: every token once, what is learned marked, whatever stands in the texts. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { encodeRecords, packExamples, renderMask } from '../../lib/dataset';
import { AutoTokenizer } from '../../lib/tokenizer';

const MESSAGES = [
  { role: 'user', content: '<b>"é 🙂"</b> &\nhow?' },
  { role: 'assistant', content: '<script>alert(1)</script> é🙂' },
];

describe('showMask', () => {
  it('marks what is learned, escaped in HTML and without controls in a terminal', async () => {
    const tokenizer = await AutoTokenizer.fromPretrained('mistral');
    const { html, text } = renderMask([{ messages: MESSAGES }], { tokenizer });
    assert.match(
      html,
      /<mark style="[^"]+"> &lt;script&gt;alert\(1\)&lt;\/script&gt; é🙂&lt;\/s&gt;<\/mark>/,
    );
    assert.match(html, /&lt;b&gt;&quot;é 🙂&quot;&lt;\/b&gt; &amp;<br>how\?/);
    assert.doesNotMatch(html, /<script|<b>/);
    assert.match(text, /how\? \[\/INST\]\{\+ <script>alert\(1\)<\/script> é🙂<\/s>\+\}$/);
    const danger = [{ messages: [MESSAGES[0], { role: 'assistant', content: 'a\u001b[2Jb' }] }];
    assert.match(renderMask(danger, { tokenizer }).text, /a␛\[2Jb/);
  });

  it('takes examples, packed ones too, and shows the first few', async () => {
    const tokenizer = await AutoTokenizer.fromPretrained('mistral');
    const records = [1, 2, 3].map((n) => ({
      messages: [MESSAGES[0], { role: 'assistant', content: `Good ${n}.` }],
    }));
    const { examples } = encodeRecords(records, { tokenizer, format: 'messages' });
    const { text } = renderMask(examples, { tokenizer, maxRows: 2 });
    assert.match(text, /^\{\+what is learned, in 2 of 3\+\}/);
    assert.deepEqual(
      [...text.matchAll(/\{\+ ?(Good .*?)\+\}/g)].map(([, learned]) => learned),
      ['Good 1.</s>', 'Good 2.</s>'],
    );
    const packed = renderMask(packExamples(examples, { maxLength: 256 }), { tokenizer });
    assert.equal([...packed.text.matchAll(/\{\+ ?Good \d\.<\/s>\+\}/g)].length, 3);
    assert.throws(() => renderMask([], { tokenizer }), /expected at least one example, got none/);
  });
});
