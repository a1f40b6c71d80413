/**
 * The kinds of tokenizers that families have against `tokenizers`: ids and texts of 400 strings (golden-families.json,
 * generator beside it). TUNEBOOK_TOKENIZERS names another file of that form, which the generator makes of real ones;
 * what these take to load is said.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { AutoTokenizer } from '../../lib/tokenizer';
import { ROOT } from '../support/paths';
import { temporaryFolder } from '../support/temporary-folder';

interface Golden {
  strings: string[];
  kinds: Record<string, { tokenizer?: unknown; folder?: string; rows: [ids: number[], text?: string][] }>;
}

const OWN = path.join(ROOT, 'test', 'golden', 'tokenizer', 'golden-families.json');

for (const file of [OWN, process.env.TUNEBOOK_TOKENIZERS]) {
  if (file === undefined) continue;
  const { strings, kinds } = JSON.parse(fs.readFileSync(file, 'utf8')) as Golden;
  describe(`${path.basename(file)}: ${strings.length} strings`, () => {
    for (const [name, { tokenizer: data, folder: given, rows }] of Object.entries(kinds))
      it(name, async (t) => {
        const folder = given ?? (await temporaryFolder(t));
        if (given === undefined) {
          fs.writeFileSync(path.join(folder, 'tokenizer.json'), JSON.stringify(data));
          const config = JSON.stringify({ tokenizer_class: 'PreTrainedTokenizerFast', eos_token: '</s>' });
          fs.writeFileSync(path.join(folder, 'tokenizer_config.json'), config);
        }
        const start = process.cpuUsage();
        const tokenizer = await AutoTokenizer.fromPretrained(folder);
        const { user, system } = process.cpuUsage(start);
        if (given !== undefined) t.diagnostic(`${folder}: loaded in ${(user + system) / 1e6} s of CPU time`);
        const wrong: unknown[] = [];
        for (const [i, [ids, text = strings[i]]] of rows.entries()) {
          const own = tokenizer.encode(strings[i], { addSpecialTokens: false });
          const again = tokenizer.decode(ids, { skipSpecialTokens: false });
          if (own.join() !== ids.join() || again !== text)
            wrong.push({ given: strings[i], own, ids, again, text });
        }
        assert.deepEqual(wrong.slice(0, 3), [], `${wrong.length} of ${rows.length} differ`);
      });
  });
}
