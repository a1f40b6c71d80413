/** `tunebook doctor` on machines that the test makes up, and on this one. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { after, describe, it } from 'node:test';
import path from 'node:path';
import { findingsText } from '../../../lib/cli/notebooks/doctor';
import { examine } from '../../../lib/notebook/doctor';
import type { Finding } from '../../../lib/notebook/doctor';
import { installKernel } from '../../../lib/notebook/client/kernelspec';
import { Workplace } from '../../support/make-notebook';
import { CLI } from '../../support/paths';

describe('tunebook doctor', () => {
  const place = new Workplace();
  after(() => place.remove());
  const look = (env: NodeJS.ProcessEnv): ((subject: string) => Finding) => {
    const findings = examine({ env: { HOME: place.folder, XDG_CACHE_HOME: place.folder, ...env } });
    return (subject) => {
      const found = findings.find((finding) => finding.subject.startsWith(subject));
      assert.ok(found, subject);
      return found;
    };
  };

  it('finds what the library needs, and gives no advice about it', () => {
    const finding = look({});
    for (const subject of ['Node.js', 'tslab', 'zeromq', 'ONNX Runtime']) {
      assert.equal(finding(subject).state, 'ok', subject);
      assert.equal(finding(subject).advice, undefined);
    }
    assert.match(finding('ONNX Runtime').found, /cpu/);
    assert.match(finding('processor').found, /^[1-9]\d* cores/);
  });

  it('gives the command that registers the kernel, and finds it once registered', () => {
    const before = look({})('Jupyter kernel');
    assert.equal(before.state, 'missing');
    assert.equal(before.advice, 'npx tunebook kernel install');
    const prefix = place.file('env');
    installKernel({ kind: 'prefix', prefix });
    const found = look({ VIRTUAL_ENV: prefix })('Jupyter kernel');
    assert.deepEqual([found.state, found.found], ['ok', path.join(prefix, 'share/jupyter/kernels/tunebook')]);
  });

  it('counts the models in the hub cache and never shows a token', () => {
    const hub = place.file('hub');
    fs.mkdirSync(path.join(hub, 'models--openai-community--gpt2'), { recursive: true });
    const finding = look({ HF_HUB_CACHE: hub, HF_TOKEN: 'hf_secret' });
    assert.equal(finding('hub cache').found, `${hub}: 1 model`);
    assert.equal(finding('hub token').state, 'ok');
    assert.doesNotMatch(JSON.stringify(finding('hub token')), /hf_secret/);
    assert.equal(look({})('hub token').state, 'missing');
  });

  it(
    'looks for the Vulkan driver where the environment points',
    { skip: process.platform !== 'linux' },
    () => {
      const driver = place.file('driver.json');
      assert.equal(look({ VK_ICD_FILENAMES: driver })('Vulkan driver').state, 'missing');
      fs.writeFileSync(driver, '{}');
      assert.equal(look({ VK_ICD_FILENAMES: driver })('Vulkan driver').found, driver);
      fs.writeFileSync(place.file('libvulkan.so.1'), '');
      const loader = look({ LD_LIBRARY_PATH: place.folder })('Vulkan loader');
      assert.deepEqual([loader.state, loader.found], ['ok', place.file('libvulkan.so.1')]);
    },
  );

  it('prints a line each, with advice below, and exits with 0 when nothing required is missing', () => {
    const text = findingsText([
      { subject: 'a', state: 'ok', found: '1', needed: true },
      { subject: 'bb', state: 'missing', found: 'none', needed: true, advice: 'npm ci' },
      { subject: 'c', state: 'missing', found: 'none', needed: false },
    ]);
    assert.equal(text, 'ok       a   1\nMISSING  bb  none\n             → npm ci\nmissing  c   none');
    const { status, stdout } = spawnSync(process.execPath, [CLI, 'doctor', '--json'], { encoding: 'utf8' });
    assert.equal(status, 0);
    assert.ok((JSON.parse(stdout) as Finding[]).some(({ subject }) => subject === 'Node.js'));
  });
});
