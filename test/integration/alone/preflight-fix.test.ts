import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import t, { type Test } from 'tap';
import { readHostChanges, restoreSysctls } from '../../../installer/node/host-changes.ts';
import { uninstallNode, type UninstallReport } from '../../../installer/operations/uninstall-node.ts';
import type { HostCheck } from '../../../installer/preflight/check.ts';
import { check as swapCheck } from '../../../installer/preflight/checks/swap.ts';
import type { Facts } from '../../../installer/preflight/facts/facts.ts';
import { applyFix, undoFixes } from '../../../installer/preflight/fixes.ts';

const INSTANCES = '/proc/sys/fs/inotify/max_user_instances';
const BOOT = '/etc/sysctl.d/90-terrarium-inotify.conf';
const raised = existsSync(BOOT) || Number(readFileSync(INSTANCES, 'utf8')) >= 8192;

t.test(
  'limits are raised, recorded and put back',
  { skip: raised && 'the limits of this machine are raised already' },
  async (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'fix-'));
    t.teardown(() => rmSync(dir, { recursive: true, force: true }));
    const file = join(dir, 'host-changes.json');
    const before = readFileSync(INSTANCES, 'utf8').trim();
    const undo = async (): Promise<void> => {
      restoreSysctls(file);
      await undoFixes(file);
    };
    t.teardown(undo);
    t.match(await applyFix('inotify', file), [`fs.inotify.max_user_instances: ${before} → 8192`]);
    t.equal(readFileSync(INSTANCES, 'utf8').trim(), '8192');
    t.match(readFileSync(BOOT, 'utf8'), /fs\.inotify\.max_user_instances = 8192/);
    t.match(readHostChanges(file), [{ id: 'sysctl:fs.inotify.max_user_instances', before }]);
    t.same(await applyFix('inotify', file), [], 'a second time does nothing');
    await applyFix('map-count', file);
    t.match(readFileSync('/etc/sysctl.d/90-terrarium-map-count.conf', 'utf8'), /vm\.max_map_count = 262144/);
    await undo();
    t.equal(readFileSync(INSTANCES, 'utf8').trim(), before);
    t.notOk(existsSync(BOOT));
  },
);

t.test(
  'an uninstall puts repairs back where no install followed',
  { skip: raised && 'the limits of this machine are raised already' },
  async (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'fix-'));
    t.teardown(() => rmSync(dir, { recursive: true, force: true }));
    const data = join(dir, 'data');
    mkdirSync(data);
    const before = readFileSync(INSTANCES, 'utf8').trim();
    await applyFix('inotify', join(data, 'host-changes.json'));
    const uninstall = (): Promise<UninstallReport> => uninstallNode({ data, withData: false, log: () => undefined });
    t.strictSame(await uninstall(), { found: true, left: [], failed: [] });
    t.equal(readFileSync(INSTANCES, 'utf8').trim(), before);
    t.notOk(existsSync(BOOT));
    t.notOk(existsSync(data));
    t.strictSame(await uninstall(), { found: false, left: [], failed: [] }, 'a second time does nothing');
  },
);

const root = join(import.meta.dirname, '../../..');

interface Machine {
  /** Runs a program where /etc and /run are copies that may be changed. */
  run(...argv: string[]): Promise<string>;
  node(script: string): Promise<string>;
  read(path: string): Promise<string>;
}

/** A mount namespace with an /etc and a /run of its own: nothing here can change the files of this machine. */
async function machine(t: Test, dir: string): Promise<Machine> {
  const script =
    'cp -a /etc "$1/etc" && mount --bind "$1/etc" /etc && mount -t tmpfs none /run && echo up && exec sleep 300';
  const holder = spawn('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', script, 'sh', dir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => holder.kill('SIGKILL'));
  await once(holder.stdout, 'data');
  const run = async (...argv: string[]): Promise<string> =>
    (
      await execa('nsenter', ['--target', String(holder.pid), '--mount', '--wd=/', '--', ...argv], {
        stripFinalNewline: false,
      })
    ).stdout;
  return {
    run,
    node: (code) => run(process.execPath, '--input-type=module', '-e', code),
    read: (path) => run('cat', path),
  };
}

function liveSwap(): string[] {
  return readFileSync('/proc/swaps', 'utf8')
    .split('\n')
    .slice(1)
    .filter((l) => l !== '')
    .map((l) => l.split(/\s+/)[0] ?? '');
}

/** A device of a few megabytes to swap to, in `dir`; both are gone after the test. */
function swapDevice(t: Test, dir: string): string {
  const disk = join(dir, 'disk');
  writeFileSync(disk, Buffer.alloc(4 << 20));
  chmodSync(disk, 0o600);
  const device = execFileSync('losetup', ['--find', '--show', disk], { encoding: 'utf8' }).trim();
  t.teardown(() => {
    if (liveSwap().includes(device)) {
      execFileSync('swapoff', [device]);
    }
    execFileSync('losetup', ['--detach', device]);
    rmSync(dir, { recursive: true, force: true });
  });
  execFileSync('mkswap', [device], { stdio: 'ignore' });
  return device;
}

/** Gives a machine swap by each way that there is. @returns its fstab and a unit of its own, as they were */
async function swapEverywhere(guest: Machine, dir: string, device: string): Promise<{ fstab: string; own: string }> {
  const fstab = `UUID=1 / ext4 defaults 0 1
# ${device} none swap old 0 0
${device} none swap sw 0 0
\tUUID=2\tnone\tswap\tsw\t0\t0
`;
  const own = '[Unit]\nDescription=more room\n\n[Swap]\nWhat=/swapfile\n\n[Install]\nWantedBy=swap.target\n';
  writeFileSync(join(dir, 'etc/fstab'), fstab);
  chmodSync(join(dir, 'etc/fstab'), 0o640);
  await guest.run('mkdir', '-p', '/etc/systemd/system', '/run/systemd/generator.late', '/run/systemd/generator');
  writeFileSync(join(dir, 'etc/systemd/system/swapfile.swap'), own);
  writeFileSync(join(dir, 'etc/systemd/zram-generator.conf'), '[zram0]\nzram-size = ram / 2\n');
  await guest.run('sh', '-c', 'echo "[Swap]" > /run/systemd/generator.late/dev-vda3.swap');
  return { fstab, own };
}

// Swap is the whole kernel's: on a machine that has some, the repair would take it away.
t.test(
  'swap is switched off for good, and comes back with the undo',
  { skip: liveSwap().length > 0 && 'this machine swaps', timeout: 300_000 },
  async (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'fix-swap-'));
    const device = swapDevice(t, dir);
    const guest = await machine(t, dir);
    const { fstab, own } = await swapEverywhere(guest, dir, device);
    const main = join(root, 'src/main.ts');
    const facts = async (): Promise<Facts> =>
      JSON.parse(
        await guest.run(process.execPath, main, 'facts', '--prefix', '/opt/terrarium', '--data', dir, '--ports', '1'),
      ) as Facts;
    const judge = async (): Promise<unknown[]> =>
      (swapCheck as HostCheck).judge(
        { facts: await facts() } as Parameters<HostCheck['judge']>[0],
        {} as Parameters<HostCheck['judge']>[1],
      );
    const fix = async (): Promise<string[]> =>
      (await guest.run(process.execPath, main, 'preflight', 'fix', '--data', dir, 'swap'))
        .split('\n')
        .filter((l) => l !== '');

    t.match(
      await judge(),
      [
        {
          severity: 'warn',
          message: /fstab: .*, \/etc\/fstab: UUID=2, .*swapfile\.swap.*dev-vda3\.swap.*zram-generator\.conf/,
        },
      ],
      'off now, but it would come back from everywhere',
    );
    execFileSync('swapon', [device]);
    t.same(
      (await fix()).toSorted(),
      [
        'dev-vda3.swap masked',
        'dev-zram0.swap masked',
        `swap off: ${device}`,
        'swap taken out of /etc/fstab',
        'swapfile.swap masked',
      ],
      'the command of preflight --fix',
    );
    t.same(liveSwap(), [], 'off now');
    t.same(await judge(), [], 'and at the next boot');
    t.equal(
      await guest.read('/etc/fstab'),
      `UUID=1 / ext4 defaults 0 1
# ${device} none swap old 0 0
# terrarium: ${device} none swap sw 0 0
# terrarium: \tUUID=2\tnone\tswap\tsw\t0\t0
`,
    );
    t.equal((await guest.run('stat', '-c', '%a', '/etc/fstab')).trim(), '640');
    t.same(await fix(), [], 'a second time does nothing');

    // As uninstall does. Something of the administrator's that came later stays.
    const added = `${await guest.read('/etc/fstab')}UUID=3 /srv ext4 defaults 0 2\n`;
    writeFileSync(join(dir, 'etc/fstab'), added);
    const undo =
      `const { undoFixes } = await import('${root}/installer/preflight/fixes.ts'); await ` +
      `undoFixes('${dir}/host-changes.json');`;
    await guest.node(undo);
    t.same(liveSwap(), [device], 'on again');
    execFileSync('swapoff', [device]);
    t.equal(await guest.read('/etc/fstab'), `${fstab}UUID=3 /srv ext4 defaults 0 2\n`);
    t.equal(await guest.read('/etc/systemd/system/swapfile.swap'), own);
    t.equal(await guest.run('sh', '-c', 'find /etc/systemd -lname /dev/null -name "*.swap"'), '', 'no mask is left');
    await guest.node(undo);
    t.equal(await guest.read('/etc/systemd/system/swapfile.swap'), own, 'the undo may be repeated');
  },
);
