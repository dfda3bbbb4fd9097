import { execFileSync, spawn, spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import t, { type Test } from 'tap';
import { labRemains } from '../../../installer/lab/down.ts';
import type { LabStatus } from '../../../installer/lab/status.ts';

const MAIN = join(import.meta.dirname, '../../../src/main.ts');
// Not the default one: a developer's own lab may be paused there.
const DIR = '/var/lib/terrarium-lab-test';

/** In DIR, where the command takes a folder. */
function words(args: string[]): string[] {
  return ['up', 'down', 'pause', 'resume'].includes(args[0] ?? '') ? ['lab', ...args, '--dir', DIR] : ['lab', ...args];
}

function lab(...args: string[]): SpawnSyncReturns<string> {
  return spawnSync(process.execPath, [MAIN, ...words(args)], { encoding: 'utf8', cwd: '/', timeout: 300_000 });
}

/** Standard output of a lab command that has to succeed. */
function ok(...args: string[]): string {
  const result = lab(...args);
  if (result.status !== 0) {
    throw new Error(`lab ${args.join(' ')}: exit ${result.status}: ${result.stderr}`);
  }
  return result.stdout;
}

function status(): LabStatus {
  return JSON.parse(ok('status', '--json')) as LabStatus;
}

function ssh(name: string, command: string): SpawnSyncReturns<string> {
  return spawnSync('ssh', ['-F', `${DIR}/ssh_config`, '-o', 'BatchMode=yes', '-o', 'ConnectTimeout=5', name, command], {
    encoding: 'utf8',
    timeout: 60_000,
  });
}

// Not 'pid': a dead process that nobody has waited for yet still shows that one.
const KINDS = ['net', 'mnt', 'cgroup', 'uts', 'ipc'];

/** Every namespace that a process on this machine is in. */
function namespaces(): Set<string> {
  const links = readdirSync('/proc')
    .filter((p) => /^[0-9]+$/.test(p))
    .flatMap((p) => KINDS.map((k) => `/proc/${p}/ns/${k}`));
  return new Set(spawnSync('readlink', links, { encoding: 'utf8' }).stdout.split('\n'));
}

/** Everything on this machine that a lab could leave behind, seen without the lab's own code. */
function snapshot(): Record<string, string[]> {
  const lines = (file: string): string[] => readFileSync(file, 'utf8').split('\n');
  const cgroups = execFileSync('find', ['/sys/fs/cgroup', '-type', 'd', '-name', '*terrarium-lab*'], {
    encoding: 'utf8',
  });
  return {
    mounts: lines('/proc/self/mountinfo')
      .map((l) => l.split(' ')[4] ?? '')
      .filter((m) => /terrarium-lab|trm-/.test(m)),
    loops: execFileSync('losetup', ['--list', '--noheadings', '--output', 'BACK-FILE'], { encoding: 'utf8' })
      .split('\n')
      .filter((l) => l.includes('terrarium-lab')),
    links: readdirSync('/sys/class/net').filter((n) => n.startsWith('trm')),
    cgroups: cgroups.split('\n').filter((l) => l !== ''),
    processes: execFileSync('ps', ['-eo', 'stat,args'], { encoding: 'utf8' })
      .split('\n')
      .filter((l) => !l.startsWith('Z') && /systemd-nspawn|terrarium-lab|trm-node/.test(l)),
    files: ['/run/terrarium-lab', DIR].filter((f) => existsSync(f)),
    nspawn: ['locks', 'propagate'].flatMap((d) =>
      existsSync(`/run/systemd/nspawn/${d}`) ? readdirSync(`/run/systemd/nspawn/${d}`) : [],
    ),
  };
}

/** Compares again for some seconds: what a command has ended may take a moment to be gone. */
async function becomes<T>(t: Test, look: () => T | Promise<T>, wanted: T, message = 'as it was'): Promise<void> {
  const end = Date.now() + 20_000;
  for (;;) {
    const found = await look();
    if (isDeepStrictEqual(found, wanted) || Date.now() > end) {
      return void t.same(found, wanted, message);
    }
    await sleep(250);
  }
}

const NOTHING = { processes: [], mounts: [], interfaces: [], loops: [], cgroups: [], firewall: [], files: [] };

/** Every fault on the lab of two machines that is up: seen from within, shown, and ended. */
function faults(t: Test): void {
  const exec = (name: string, ...command: string[]): SpawnSyncReturns<string> => lab('exec', name, '--', ...command);
  const reaches = (): boolean =>
    exec('node-a', 'ping', '-q', '-c', '2', '-i', '0.2', '-W', '1', '10.77.0.12').status === 0;
  const shown = (): string[][] => status().machines.map((m) => m.faults);
  t.ok(reaches());

  t.match(ok('fault', 'partition', 'Node-A'), 'Node-A cut off from Node-B');
  t.notOk(reaches());
  t.same(shown(), [['partition from Node-B'], ['partition from Node-A']]);
  t.equal(ssh('node-a', 'true').status, 0, 'this machine still reaches it');
  ok('fault', 'clear', 'node-b');
  t.ok(reaches());

  // Datagrams to a port that nobody has, as the receiver counts them.
  const arrived = (): number => Number(/^Udp: \d+ (\d+)/m.exec(exec('node-b', 'cat', '/proc/net/snmp').stdout)?.[1]);
  const send = (from: string, to: string): SpawnSyncReturns<string> =>
    exec(from, 'bash', '-c', `for i in 1 2 3; do echo > /dev/udp/${to}/9; sleep 0.1; done`);
  ok('fault', 'partition', 'node-b', '--from', 'node-a', '--one-way');
  const before = arrived();
  send('node-a', '10.77.0.12');
  t.ok(arrived() > before, 'one way passes');
  t.notOk(reaches(), 'the other does not');
  t.same(shown(), [[], ['partition from Node-A']]);
  ok('fault', 'clear', '--all');

  ok('fault', 'loss', 'node-b', '--percent', '30');
  t.same(shown(), [[], ['loss 30 %']]);
  const answered = Number(
    /(\d+) received/.exec(exec('node-a', 'ping', '-q', '-c', '80', '-i', '0.02', '-W', '1', '10.77.0.12').stdout)?.[1],
  );
  t.ok(answered > 0 && answered < 80, `${answered} of 80`);
  ok('fault', 'loss', 'node-b', '--percent', '100');
  t.notOk(reaches());
  ok('fault', 'clear', 'node-b');
  t.ok(reaches());

  ok('fault', 'disk-full', 'node-a');
  t.match(shown(), [['disk-full'], []]);
  t.match(exec('node-a', 'dd', 'if=/dev/zero', 'of=/root/more', 'bs=1M', 'count=8').stderr, /No space left/);
  ok('fault', 'disk-full', 'node-a', '--leave', '50');
  t.equal(exec('node-a', 'dd', 'if=/dev/zero', 'of=/root/more', 'bs=1M', 'count=8').status, 0);
  ok('fault', 'clear', 'node-a');
  t.same(shown(), [[], []]);

  ok('fault', 'stop', 'node-a');
  t.match(shown(), [['stop'], []]);
  t.not(ssh('node-a', 'true').status, 0, 'nobody answers');
  ok('fault', 'clear', 'node-a');
  t.equal(ssh('node-a', 'true').status, 0);

  const nobody = lab('fault', 'partition', 'node-a', 'node-b');
  t.equal(nobody.status, 2);
  t.match(nobody.stderr, 'That leaves no machine to be cut off from.');
  t.equal(lab('fault', 'loss', 'node-a', '--percent', '101').status, 2);
}

/** No process of the machine can set the clock. */
function clockIsKept(t: Test): void {
  // CAP_SYS_TIME is bit 25: the machines share this one's clock.
  for (const who of ['self', '1']) {
    const bounding =
      /^CapBnd:\s+([0-9a-f]+)$/m.exec(ok('exec', 'node-a', '--', 'cat', `/proc/${who}/status`))?.[1] ?? 'f'.repeat(16);
    t.equal((BigInt(`0x${bounding}`) >> 25n) & 1n, 0n, `process ${who} cannot set the clock`);
  }
}

/** The machine has what containers need: cgroups of its own, forwarding, and overlayfs. */
function containersRun(t: Test): void {
  for (const cgroup of ['memory', 'pids', 'unified'].filter((c) => existsSync(`/sys/fs/cgroup/${c}`))) {
    t.equal(
      lab(
        'exec',
        'node-a',
        '--',
        'sh',
        '-c',
        `mkdir /sys/fs/cgroup/${cgroup}/try && rmdir /sys/fs/cgroup/${cgroup}/try`,
      ).status,
      0,
      `cgroups in ${cgroup}`,
    );
  }
  ok('exec', 'node-a', '--', 'sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward');
  t.equal(
    lab(
      'exec',
      'node-a',
      '--',
      'sh',
      '-ec',
      'mkdir -p /var/lib/o/l /var/lib/o/u /var/lib/o/w /var/lib/o/m; mount -t overlay overlay -o ' +
        'lowerdir=/var/lib/o/l,upperdir=/var/lib/o/u,workdir=/var/lib/o/w /var/lib/o/m',
    ).status,
    0,
    'overlayfs on its disk',
  );
}

if (process.getuid?.() !== 0 || spawnSync('systemd-nspawn', ['--version']).status !== 0) {
  t.plan(0, 'needs root and systemd-nspawn');
} else if (existsSync('/run/terrarium-lab')) {
  t.plan(0, 'a lab is up on this machine');
} else {
  t.setTimeout(600_000);
  // What a run that was killed has left.
  if (existsSync(DIR)) {
    ok('down');
  }
  t.teardown(() => lab('down'));

  t.test('one machine: boot, exec, login, power cut, start, down, and nothing is left', async (t) => {
    const before = snapshot();
    ok('up', '--nodes', '1');
    t.match(status(), {
      up: true,
      machines: [{ name: 'node-a', state: 'running', address: '10.77.0.11', leader: Number }],
    });

    const leader = status().machines[0]?.leader ?? 0;
    const own = KINDS.map((k) => readlinkSync(`/proc/${leader}/ns/${k}`));
    t.ok(own.every((n) => namespaces().has(n)));
    t.notOk(own.includes(readlinkSync('/proc/self/ns/net')), 'its network is its own');

    const second = lab('up');
    t.equal(second.status, 1);
    t.match(second.stderr, /already on this machine.*terrarium lab down/);

    t.equal(lab('exec', 'node-a', '--', 'sh', '-c', 'exit 7').status, 7, 'the exit code passes through');
    t.equal(lab('exec', 'node-a', '--', 'printf', '%s|', 'a b', '$HOME').stdout, 'a b|$HOME|', 'no shell is between');
    t.match(ok('exec', 'node-a', '--', 'systemctl', 'is-system-running', '--wait'), /^running/);
    clockIsKept(t);

    const login = ssh('node-a', 'id -un; sudo -n id -un; cat /etc/hosts; stat -f -c %T /');
    t.equal(login.status, 0, login.stderr);
    t.match(login.stdout, /^admin\nroot\n127\.0\.0\.1\tlocalhost\n127\.0\.1\.1\tnode-a\n/);
    t.match(login.stdout, /ext2\/ext3\n$/);

    containersRun(t);

    ok('exec', 'node-a', '--', 'sh', '-c', 'echo kept > /root/synced; sync; echo gone > /root/unsynced');
    ok('stop', 'node-a');
    t.match(status(), { machines: [{ state: 'stopped', leader: undefined }] });
    await becomes(t, () => own.filter((n) => namespaces().has(n)), [], 'no process is left in a namespace of it');
    await becomes(
      t,
      () => [snapshot()['mounts'], snapshot()['loops']],
      [[], []],
      'a machine without power holds nothing',
    );
    const off = lab('exec', 'node-a', '--', 'true');
    t.equal(off.status, 1);
    t.match(off.stderr, /switched off.*lab start node-a/);
    ok('start', 'node-a');
    t.equal(ok('exec', 'node-a', '--', 'cat', '/root/synced'), 'kept\n');
    t.equal(lab('exec', 'node-a', '--', 'test', '-s', '/root/unsynced').status, 1, 'what was not synced is lost');
    t.match(ssh('node-a', 'hostname').stdout, /^node-a$/m, 'it keeps its host keys');

    ok('down');
    await becomes(t, snapshot, before);
    t.match(lab('down').stdout, /There was no lab/);
  });

  t.test('paused, a lab is nothing but its folder; resumed, it is what it was', async (t) => {
    const before = snapshot();
    ok('up', '--nodes', '2');
    const identity = (): unknown =>
      status().machines.map(({ name, address, ipv6, mac }) => ({ name, address, ipv6, mac }));
    const was = identity();
    const hostKeys = ssh('node-b', 'cat /etc/ssh/ssh_host_*_key.pub; cat /etc/machine-id').stdout;
    ok('exec', 'node-a', '--', 'sh', '-c', 'echo kept > /root/unsynced');

    t.match(ok('pause'), `terrarium lab resume --dir ${DIR}`);
    await becomes(t, snapshot, { ...before, files: [...(before['files'] ?? []), DIR] }, 'only the folder is left');
    t.match(status(), { up: false });
    t.match(ok('pause'), 'The lab is paused.', 'pausing again changes nothing');
    const up = lab('up');
    t.equal(up.status, 2);
    t.match(up.stderr, new RegExp(`${DIR} holds a paused lab`));
    t.match(up.stderr, new RegExp(`lab resume --dir ${DIR}.*lab down --dir ${DIR}`));

    const other = (command: string, ...args: string[]): number | null =>
      spawnSync(process.execPath, [MAIN, 'lab', command, ...args, '--dir', `${DIR}-2`], { cwd: '/', timeout: 120_000 })
        .status;
    t.equal(other('up', '--nodes', '1'), 0, 'another lab can be up meanwhile');
    const early = lab('resume');
    t.equal(early.status, 1);
    t.match(early.stderr, /A lab.*already on this machine/);
    t.match(status(), { up: true, dir: `${DIR}-2`, machines: [{ state: 'running' }] }, 'and is left alone');
    t.equal(other('down'), 0);

    ok('resume');
    t.same(identity(), was, 'the same names and addresses');
    t.match(status(), { up: true, dir: DIR, machines: [{ state: 'running' }, { state: 'running' }] });
    t.equal(ok('exec', 'node-a', '--', 'cat', '/root/unsynced'), 'kept\n', 'nothing that was written is lost');
    t.equal(ssh('node-b', 'cat /etc/ssh/ssh_host_*_key.pub; cat /etc/machine-id').stdout, hostKeys);
    t.equal(ssh('node-a', 'ping -q -c 1 -W 2 node-b').status, 0, 'bridge and name server are back');
    t.equal(lab('resume').status, 2, 'it is not paused any more');

    ok('pause');
    const resume = spawn(process.execPath, [MAIN, ...words(['resume'])], { stdio: 'ignore', cwd: '/' });
    await sleep(700);
    resume.kill('SIGKILL');
    await sleep(100);
    ok('resume');
    t.equal(
      ok('exec', 'node-a', '--', 'cat', '/root/unsynced'),
      'kept\n',
      'a resume that was killed is completed by the next',
    );

    ok('pause');
    ok('down');
    await becomes(t, snapshot, before);
  });

  t.test('black hole, umask, capitals, no route, no DNS', async (t) => {
    ok(
      'up',
      '--nodes',
      '2',
      '--black-hole',
      '1400',
      '--umask',
      '077',
      '--hostname-case',
      '--no-route',
      '--no-dns',
      '--disk',
      '4',
    );
    const login = ssh(
      'node-a',
      'hostname; umask; sudo -n sh -c umask; ip route show default | wc -l; cat /etc/resolv.conf; cat ' +
        '/sys/class/net/ens3/mtu',
    );
    t.equal(login.stdout, 'Node-A\n0077\n0077\n0\n1500\n');
    for (const [from, to] of [
      ['node-a', '10.77.0.12'],
      ['node-b', '10.77.0.11'],
    ] as const) {
      const ping = (size: number): number | null =>
        lab('exec', from, '--', 'ping', '-q', '-M', 'do', '-c', '1', '-W', '1', '-s', String(size - 28), to).status;
      t.equal(ping(1400), 0, `1400 bytes pass from ${from}`);
      t.equal(ping(1410), 1, `1410 bytes vanish from ${from}`);
    }
    const size = status().machines[0]?.disk.size ?? 0;
    t.ok(size > 3 * 1024 ** 3 && size < 4 * 1024 ** 3, 'the disk is as small as asked for');
    faults(t);
    ok('fault', 'partition', 'node-a');
    ok('down');
    await becomes(t, () => labRemains(DIR), NOTHING, 'a fault goes with its lab');
  });

  t.test('IPv6 only, machines reach each other by name', async (t) => {
    ok('up', '--nodes', '2', '--ipv6-only', '--mtu', '1400');
    t.match(readFileSync(`${DIR}/cluster.yaml`, 'utf8'), /address: 'fd77::11'/);
    t.notMatch(ssh('node-a', 'ip -brief address').stdout, /10\.77/);
    t.equal(ssh('node-a', 'ping -q -c 1 -W 2 -M do -s 1352 node-b').status, 0);
    t.equal(ssh('node-a', 'getent hosts elsewhere.example').status, 2, 'the name server knows nothing else');
    ok('down');
  });

  t.test('lab up killed at any moment leaves nothing that down does not remove', async (t) => {
    const before = snapshot();
    for (const ms of [150, 400, 700, 1000, 1400, 1800, 2400, 3200]) {
      const up = spawn(process.execPath, [MAIN, ...words(['up', '--nodes', '2'])], { stdio: 'ignore', cwd: '/' });
      await sleep(ms);
      up.kill('SIGKILL');
      await sleep(100);
      const down = lab('down');
      t.equal(down.status, 0, `killed after ${ms} ms: ${down.stderr}`);
      await becomes(t, () => labRemains(DIR), NOTHING);
      await becomes(t, snapshot, before, `killed after ${ms} ms`);
    }
  });
}
