import { promises as fs } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';

/** A new folder that is gone after the test. */
export async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'tunebook-'));
  t.after(() => fs.rm(folder, { recursive: true, force: true }));
  return folder;
}
