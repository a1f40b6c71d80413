/**
 * A run's checkpoint folders: which there are, which are whole, which may go. `checkpoints` fills and reads them.
 */
import { requireText } from '../../types';
import { createHash } from 'node:crypto';
import { createReadStream, promises as fs } from 'node:fs';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';

/** Checksums of a checkpoint's files; the last file that is written and the first that is deleted. */
export const MANIFEST = 'checksums.json';

const DRAFT = '.draft';

/** Where checkpoint N is written before it takes its name. */
export function draftOf(folder: string): string {
  return `${folder}${DRAFT}`;
}

/** Checkpoint folders of a run, oldest first. */
export async function listCheckpoints(outputDir: string): Promise<{ folder: string; step: number }[]> {
  requireText(outputDir, { where: 'listCheckpoints', what: 'the path of a folder' });
  const names = await fs.readdir(outputDir).catch(() => [] as string[]);
  return names
    .map((name) => ({
      folder: path.join(outputDir, name),
      step: Number(/^checkpoint-(\d+)$/.exec(name)?.[1]),
    }))
    .filter(({ step }) => Number.isInteger(step))
    .sort((a, b) => a.step - b.step);
}

/**
 * Sets aside: checkpoints after a step (by default all) move to `replaced/`. So a run never takes another's
 * checkpoint for its newest, and what was there can still be had, until the next time.
 */
export async function setAsideCheckpoints(outputDir: string, afterStep = -1): Promise<void> {
  const others = (await listCheckpoints(outputDir)).filter(({ step }) => step > afterStep);
  if (others.length === 0) return;
  const aside = path.join(outputDir, 'replaced');
  await fs.rm(aside, { recursive: true, force: true });
  await fs.mkdir(aside);
  for (const { folder } of others) await fs.rename(folder, path.join(aside, path.basename(folder)));
}

/** What is wrong with a checkpoint, or nothing. */
export async function checkpointFault(folder: string): Promise<string | undefined> {
  requireText(folder, { where: 'checkpointFault', what: 'the path of a folder' });
  let sums: Record<string, unknown>;
  try {
    sums = JSON.parse(await fs.readFile(path.join(folder, MANIFEST), 'utf8')) as Record<string, unknown>;
  } catch {
    return `${MANIFEST} is missing or damaged`;
  }
  for (const [name, expected] of Object.entries(sums)) {
    const found = await sha256(path.join(folder, path.basename(name))).catch(() => undefined);
    if (found === undefined) return `${name} is missing`;
    if (found !== expected) return `${name} has changed since it was written`;
  }
  return undefined;
}

/** The newest checkpoint that is whole; damaged ones are named through `warn`. */
export async function newestWhole(
  outputDir: string,
  warn: (message: string) => void,
): Promise<string | undefined> {
  requireText(outputDir, { where: 'newestWhole', what: 'the path of a folder' });
  for (const { folder } of (await listCheckpoints(outputDir)).reverse()) {
    const fault = await checkpointFault(folder);
    if (fault === undefined) return folder;
    warn(`${folder}: damaged (${fault}); using the one before it.`);
  }
  return undefined;
}

/**
 * Ends what a crash interrupted: a draft that is whole, with no whole checkpoint of its name, takes its name;
 * every other one goes, and so does what a preflight left.
 */
export async function finishDrafts(outputDir: string): Promise<void> {
  const names = await fs.readdir(outputDir).catch(() => [] as string[]);
  for (const name of names) {
    const draft = path.join(outputDir, name);
    const folder = draft.slice(0, -DRAFT.length);
    if (/^\.?preflight-\d+/.test(name)) await fs.rm(draft, { recursive: true, force: true });
    if (!/^checkpoint-\d+\.draft$/.test(name)) continue;
    if ((await checkpointFault(draft)) === undefined && (await checkpointFault(folder)) !== undefined) {
      await fs.rm(folder, { recursive: true, force: true });
      await fs.rename(draft, folder);
    } else await fs.rm(draft, { recursive: true, force: true });
  }
}

/** Deletes the oldest checkpoints over the limit, never one of those to keep (the best and the newest whole one). */
export async function rotateCheckpoints(
  outputDir: string,
  limit: number,
  keep: readonly string[],
): Promise<void> {
  const all = await listCheckpoints(outputDir);
  const kept = new Set(keep.map((folder) => path.resolve(folder)));
  const deletable = all.filter(({ folder }) => !kept.has(path.resolve(folder)));
  const excess = Math.min(all.length - limit, deletable.length);
  for (const { folder } of deletable.slice(0, Math.max(0, excess))) {
    // The manifest goes first: what is left of an interrupted deletion is not taken for a checkpoint.
    await fs.rm(path.join(folder, MANIFEST), { force: true });
    await fs.rm(folder, { recursive: true, force: true });
  }
}

export async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}
