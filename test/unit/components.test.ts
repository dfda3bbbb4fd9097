import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { kubernetesVersion, readComponents } from '../../installer/bundle/components.ts';
import { obtainDirectory } from '../../installer/bundle/providers/directory.ts';
import { judgeChecksum } from '../../installer/bundle/providers/go.ts';
import { tarAround, writeTar } from '../../installer/bundle/tar.ts';

const root = join(import.meta.dirname, '../..');
const dir = mkdtempSync(join(tmpdir(), 'components-'));
t.teardown(() => rmSync(dir, { recursive: true }));

t.test('the lock: 1.36 is bundled, 1.35 on request, each built part locked', async (t) => {
  const bundled = readComponents(root);
  t.match(bundled, { line: '1.36', bundled: true });
  t.match(kubernetesVersion(bundled.parts as { name: string; version: string }[]), /^1\.36\.\d+$/);
  t.match(readComponents(root, '1.35'), { line: '1.35', bundled: false });
  t.throws(() => readComponents(root, '1.20'), { code: 'line-unknown', exitCode: 2 });
  for (const part of [...bundled.parts, ...readComponents(root, '1.35').parts]) {
    if (part.provider === 'debian') {
      continue;
    }
    for (const [name, program] of Object.entries(part.programs)) {
      t.match(program.sha256, /^[0-9a-f]{64}$/, name);
    }
    if (part.provider !== 'go') {
      continue;
    }
    const sums = readFileSync(join(root, 'installer/components', part.folder, 'go.sum'), 'utf8');
    const mod = readFileSync(join(root, 'installer/components', part.folder, 'go.mod'), 'utf8');
    if (part.name !== 'pause') {
      t.match(mod, `${part.origin} v${part.version}`, `${part.name}: the version in go.mod`);
    }
    t.match(sums, `${part.origin} v`, `${part.name}: go.sum`);
  }
});

t.test("a built part that differs from the lock stops the build, unless Debian's inputs differ too", async (t) => {
  const [part] = readComponents(root).parts.filter((p) => p.provider === 'go' && p.name === 'runc');
  if (part?.provider !== 'go') {
    throw new Error('no runc');
  }
  const locked = 'a'.repeat(64);
  t.doesNotThrow(() => judgeChecksum(part, 'runc', locked, locked, part.lockedInputs));
  t.throws(() => judgeChecksum(part, 'runc', locked, 'b'.repeat(64), part.lockedInputs), {
    code: 'part-checksum',
    message: /^runc [^ ]+ built from github.com\/opencontainers\/runc has sha256 b+, but .* locks a+\.$/,
  });
  t.doesNotThrow(() =>
    judgeChecksum(part, 'runc', locked, 'b'.repeat(64), { ...part.lockedInputs, 'libseccomp-dev': '9.9' }),
  );
});

t.test('a part from a directory is taken by its checksum only', async (t) => {
  const folder = join(dir, 'vendor');
  mkdirSync(folder);
  writeFileSync(join(folder, 'kubelet'), 'official');
  const sha256 = createHash('sha256').update('official').digest('hex');
  const part = {
    name: 'kubernetes',
    provider: 'directory' as const,
    version: '1.36.3',
    licence: 'Apache-2.0',
    origin: 'the release page',
    directory: folder,
    programs: { kubelet: { sha256 } },
  };
  t.match(await obtainDirectory(root, part), { files: { kubelet: { path: join(folder, 'kubelet'), sha256 } } });
  writeFileSync(join(folder, 'kubelet'), 'tampered');
  await t.rejects(obtainDirectory(root, part), {
    code: 'part-checksum',
    remedy: 'Get it again from the release page.',
  });
  rmSync(join(folder, 'kubelet'));
  await t.rejects(obtainDirectory(root, part), { code: 'part-missing' });
});

t.test('a layer has the same bytes whatever the order and the time', async (t) => {
  const program = join(dir, 'program');
  writeFileSync(program, 'program');
  const files = [
    { path: 'usr/bin/x', mode: 0o755, content: program },
    { path: 'etc/passwd', mode: 0o644, content: Buffer.from('root') },
    { path: 'usr/bin/y', target: 'x' },
    { path: 'tmp', mode: 0o1777, directory: true as const },
  ];
  const one = await writeTar(files, join(dir, 'one.tar'));
  const two = await writeTar(files.toReversed(), join(dir, 'two.tar'));
  t.same(one, two);
  const bytes = readFileSync(join(dir, 'one.tar'));
  t.equal(createHash('sha256').update(bytes).digest('hex'), one.sha256);
  const offset = one.offsets['usr/bin/x'] ?? 0;
  t.equal(bytes.subarray(offset, offset + 7).toString(), 'program', 'the offset leads to the content');
});

t.test("the executable's own layer is made of what is before and behind it", async (t) => {
  for (const size of [1, 511, 512, 513]) {
    const content = Buffer.alloc(size, 'x');
    const whole = await writeTar([{ path: 'usr/local/bin/terrarium', mode: 0o755, content }], join(dir, 'whole.tar'));
    const { before, after } = await tarAround({ path: 'usr/local/bin/terrarium', mode: 0o755 }, size);
    t.equal(
      createHash('sha256')
        .update(Buffer.concat([before, content, Buffer.alloc(after)]))
        .digest('hex'),
      whole.sha256,
    );
  }
});
