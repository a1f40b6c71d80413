/** `tunebook doctor`: what this machine offers, what is missing, and the command that installs it. */
import type { Command } from 'commander';
import { examine, examineGpu } from '../../notebook/doctor';
import type { Finding } from '../../notebook/doctor';

/** The findings as aligned lines, each missing one followed by what to do. */
export function findingsText(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ subject }) => subject.length));
  return findings
    .flatMap(({ subject, state, found, needed, advice }) => [
      `${state === 'ok' ? 'ok      ' : needed ? 'MISSING ' : 'missing '} ${subject.padEnd(width)}  ${found}`,
      ...(advice === undefined ? [] : [`${' '.repeat(9 + width)}  → ${advice}`]),
    ])
    .join('\n');
}

/** Adds `doctor` to the program. Its exit status is 1 if something required is missing. */
export function addDoctorCommand(program: Command): void {
  program
    .command('doctor')
    .description('say what of this machine can be used, what is missing, and what to type to get it')
    .option('--json', 'as JSON')
    .action(async (options: { json?: boolean }) => {
      const findings = [...examine(), await examineGpu()];
      console.log(options.json === true ? JSON.stringify(findings, null, 2) : findingsText(findings));
      if (findings.some(({ needed, state }) => needed && state === 'missing')) process.exitCode = 1;
    });
}
