import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import t from 'tap';
import type { Finding, HostCheck, Member } from '../../../installer/preflight/check.ts';
import { check } from '../../../installer/preflight/checks/disk-errors.ts';
import type { Facts } from '../../../installer/preflight/facts/facts.ts';
import { gatherFacts } from '../../../installer/preflight/facts/gather.ts';

const dir = mkdtempSync(join(tmpdir(), 'facts-'));
const at = join(dir, 'mnt');
const run = (program: string, ...args: string[]): string =>
  execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
const facts = (): Promise<Facts> => gatherFacts({ prefix: join(at, 'opt'), data: join(at, 'data'), ports: [] }, {});
const judge = (f: Facts): Finding[] =>
  (check as HostCheck).judge({ facts: f } as Member, {} as Parameters<HostCheck['judge']>[1]);

// A disk of its own, on which the kernel is told to find an error.
t.test('errors of the disk that holds our folders', { timeout: 300_000 }, async (t) => {
  const image = join(dir, 'disk');
  writeFileSync(image, '');
  truncateSync(image, 64 << 20);
  const disk = run('losetup', '--find', '--show', image);
  t.teardown(() => {
    run('losetup', '--detach', disk);
    rmSync(dir, { recursive: true, force: true });
  });
  const name = basename(disk);
  run('mkfs.ext4', '-q', '-F', disk);
  mkdirSync(at);
  run('mount', disk, at);
  t.teardown(() => run('umount', at));

  const good = await facts();
  t.match(
    good.storage.disks.find((d) => d.mountPoint === at),
    { devices: [name], ext4Errors: 0, thinPool: null, quotas: [] },
  );
  t.same(
    judge(good).filter((f) => f.message.includes(at)),
    [],
  );
  t.same(good.kernelLog?.diskErrors.filter((l) => l.includes(name)) ?? [], []);

  writeFileSync(`/sys/fs/ext4/${name}/trigger_fs_error`, 'this is a test');
  const bad = await facts();
  const found = judge(bad).map((f) => f.message);
  t.ok(
    found.some((m) => m.startsWith(`The file system of ${at} (${name}) has recorded an error`)),
    found.join('\n'),
  );
  if (bad.kernelLog === null) {
    t.comment('the log of the kernel cannot be read here');
  } else {
    t.match(bad.kernelLog.diskErrors.at(-1), new RegExp(`EXT4-fs error \\(device ${name}\\): .*this is a test`));
  }

  // The same device, but no longer the same file system.
  run('umount', at);
  run('mkfs.ext4', '-q', '-F', disk);
  run('mount', disk, at);
  const anew = await facts();
  t.same(
    judge(anew).filter((f) => f.message.includes(name)),
    [],
  );
});
