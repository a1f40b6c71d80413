/**
 * A run's checkpoint folders: listing, validation, rotation. `checkpoints.ts` writes and reads them.
 */
import { requireText } from '../../types';
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { fileDigest } from '../../files';

/** Checksums of a checkpoint's files; written last and deleted first. */
export const MANIFEST = 'checksums.json';

const DRAFT = '.draft';

/** Folder in which a checkpoint is written before it is renamed. */
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
 * Moves checkpoints after a step (by default all) to `replaced/`, so that a run never takes another's checkpoint for
 * its newest; they stay there until the next call.
 */
export async function setAsideCheckpoints(outputDir: string, afterStep = -1): Promise<void> {
  const others = (await listCheckpoints(outputDir)).filter(({ step }) => step > afterStep);
  if (others.length === 0) return;
  const aside = path.join(outputDir, 'replaced');
  await fs.rm(aside, { recursive: true, force: true });
  await fs.mkdir(aside);
  for (const { folder } of others) await fs.rename(folder, path.join(aside, path.basename(folder)));
}

/** What is wrong with a checkpoint; undefined where nothing is. */
export async function checkpointFault(folder: string): Promise<string | undefined> {
  requireText(folder, { where: 'checkpointFault', what: 'the path of a folder' });
  let sums: Record<string, unknown>;
  try {
    sums = JSON.parse(await fs.readFile(path.join(folder, MANIFEST), 'utf8')) as Record<string, unknown>;
  } catch {
    return `${MANIFEST} is missing or damaged`;
  }
  for (const [name, expected] of Object.entries(sums)) {
    const found = await fileDigest(path.join(folder, path.basename(name))).catch(() => undefined);
    if (found === undefined) return `${name} is missing`;
    if (found !== expected) return `${name} has changed since it was written`;
  }
  return undefined;
}

/** The newest whole checkpoint; damaged ones are named through `warn`. */
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
 * Finishes what a crash interrupted: a whole draft without a whole checkpoint of its name is renamed; other drafts and
 * leftovers of a preflight are deleted.
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

/** Deletes the oldest checkpoints over the limit, but never the best or the newest whole one. */
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
    // The manifest first: leftovers of an interrupted deletion are then no checkpoint.
    await fs.rm(path.join(folder, MANIFEST), { force: true });
    await fs.rm(folder, { recursive: true, force: true });
  }
}
