/** One rank of a training run: its losses and the hash of its weights, as JSON. The group is found, not given. */
import { createHash } from 'node:crypto';
import { TrainingArguments } from '../../lib/trainer';
import { rankRun } from '../trainer/ranks/runs';
import type { RankRequest } from '../trainer/ranks/runs';

async function main(): Promise<void> {
  const { losses, weights, result } = await rankRun(JSON.parse(process.argv[2]) as RankRequest);
  const hash = createHash('sha256').update(new Uint8Array(weights.buffer)).digest('hex');
  const { worldSize, processIndex, localProcessIndex } = new TrainingArguments({ outputDir: 'unused' });
  const place = [processIndex, localProcessIndex, worldSize];
  console.log(JSON.stringify({ losses, hash, place, stopped: result.stopped, step: result.globalStep }));
}

void main();
