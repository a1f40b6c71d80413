/** Which modules a configuration adapts, how strongly, and which it trains whole: as PEFT places them. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, it } from 'node:test';
import { readFileSync } from 'node:fs';
import { architectureOf, LoraConfig, storedName } from '../../../lib/models';
import type { Architecture, LoraOptions } from '../../../lib/models';
import { loraLayout } from '../../../lib/models/lora/lora-layout';
import { HEAD, modulePath, ownerOf } from '../../../lib/models/lora/lora-targets';
import { GOLDEN, readGolden } from '../families/golden-run';

interface Case {
  base: 'gpt2' | 'mistral';
  options: Record<string, unknown>;
  /** Rank and scale by path, parameters of whole modules; null where PEFT refuses the configuration. */
  result: { adapted: Record<string, [r: number, scale: number]>; saved: string[] } | null;
}

const cases = readGolden('lora/golden-targets.json') as Case[];

const camel = (name: string): string => name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());

function optionsOf(options: Case['options']): LoraOptions {
  const own = Object.entries(options).map(([name, value]) => [camel(name), value] as const);
  // An empty list is none in PEFT.
  const given = own.filter(([, value]) => !Array.isArray(value) || value.length > 0);
  return { r: 8, loraAlpha: 16, ...Object.fromEntries(given) };
}

function placed(architecture: Architecture, options: LoraOptions): Case['result'] {
  const { layers, head, embedding, copies } = loraLayout(new LoraConfig(options), architecture);
  const adapted: Record<string, [number, number]> = {};
  layers.forEach((modules, layer) => {
    for (const { name, r, scale } of modules)
      adapted[modulePath(architecture, architecture.layerPrefix(layer) + name)] = [r, scale];
  });
  if (head !== undefined) adapted[HEAD] = [head.r, head.scale];
  if (embedding !== undefined)
    adapted[modulePath(architecture, ownerOf(architecture.tokenEmbedding))] = [embedding.r, embedding.scale];
  const saved = copies.map(({ name }) => (name.startsWith(HEAD) ? name : storedName(architecture, name)));
  return { adapted, saved: saved.sort() };
}

describe('places of an adapter, as PEFT has them', () => {
  for (const { base, options, result } of cases) {
    const text = `${base} ${JSON.stringify(options)}`;
    const file = path.join(GOLDEN, base, 'model', 'config.json');
    const architecture = architectureOf(JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>);
    if (result === null)
      it(`${text}: refused`, () =>
        assert.throws(() => placed(architecture, optionsOf(options)), /TunebookError: LoraConfig/));
    else it(text, () => assert.deepEqual(placed(architecture, optionsOf(options)), result));
  }
});
