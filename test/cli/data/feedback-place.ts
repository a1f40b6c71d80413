/** A folder where `tunebook feedback` is tested: files of races of the sample, and the built program. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after } from 'node:test';
import { SAMPLE_FOLDER } from '../../../data/hyrox/generate';
import { CLI } from '../../support/paths';

/** The sample's lines. */
export const [header, ...rows] = fs
  .readFileSync(path.join(SAMPLE_FOLDER, 'hyrox-sample.csv'), 'utf8')
  .split('\n');

/** Gone with the tests of the file that imports this. */
export const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-feedback-'));
after(() => fs.rmSync(folder, { recursive: true, force: true }));

export const at = (name: string): string => path.join(folder, name);

/** Runs the program in the folder. */
export function tunebook(...words: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [CLI, ...words], { cwd: folder, encoding: 'utf8' });
}

/** A file of races. @returns its name */
export function races(name: string, ...lines: string[]): string {
  fs.writeFileSync(at(name), `${[header, ...lines].join('\n')}\n`);
  return name;
}
