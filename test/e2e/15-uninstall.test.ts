import t from 'tap';
import { bootLab, eventually } from './support/lab.ts';
import { difference, KINDS, takeSnapshot } from './support/snapshot.ts';

/** What may differ after an uninstall, each with its reason; at most ten. */
const ALLOWED: { pattern: RegExp; reason: string }[] = [
  {
    pattern: /^(run|files): . . [0-9]+ (\S+ )?\/(run|var\/lib)\/sudo|\/var\/log\/sudo/,
    reason: "sudo remembers the administrator's login",
  },
  { pattern: /^files: . . [0-9]+ \S+ \/var\/log\//, reason: "the machine's own logs" },
  { pattern: /\/home\/admin\/?( |$)|\/var\/lib\/systemd\/linger/, reason: "the administrator's login session" },
  {
    pattern: /\/run\/(user|systemd\/(sessions|users))\/|run-user|user-runtime-dir|user@[0-9]+|session-[0-9]+/,
    reason: "the administrator's login session",
  },
];

/** One thing of each kind that a snapshot looks at, to see that it sees it. */
const PLANTS: Record<string, { plant: string; remove: string }> = {
  files: { plant: 'touch /var/lib/planted', remove: 'rm /var/lib/planted' },
  contents: {
    plant: 'cp /etc/motd /root/motd.bak; echo planted >> /etc/motd',
    remove: 'cp /root/motd.bak /etc/motd; rm /root/motd.bak',
  },
  run: { plant: 'mkdir /run/planted', remove: 'rmdir /run/planted' },
  mounts: {
    plant: 'mkdir /mnt/planted; mount -t tmpfs tmpfs /mnt/planted',
    remove: 'umount /mnt/planted; rmdir /mnt/planted',
  },
  units: {
    plant: 'printf "[Service]\\nExecStart=/bin/true\\n" > /etc/systemd/system/planted.service; systemctl daemon-reload',
    remove: 'rm /etc/systemd/system/planted.service; systemctl daemon-reload',
  },
  processes: { plant: 'setsid sleep 98765 > /dev/null 2>&1 & sleep 0.2', remove: 'pkill -f "sleep 98765"' },
  cgroups: {
    plant: 'mkdir /sys/fs/cgroup/unified/planted || mkdir /sys/fs/cgroup/planted',
    remove: 'rmdir /sys/fs/cgroup/unified/planted || rmdir /sys/fs/cgroup/planted',
  },
  network: { plant: 'ip route add unreachable 192.0.2.0/24', remove: 'ip route del unreachable 192.0.2.0/24' },
  firewall: { plant: 'nft add table inet planted', remove: 'nft delete table inet planted' },
  sysctls: { plant: 'sysctl -w net.ipv4.ip_default_ttl=63', remove: 'sysctl -w net.ipv4.ip_default_ttl=64' },
  bpf: { plant: 'mkdir /sys/fs/bpf/planted', remove: 'rmdir /sys/fs/bpf/planted' },
  users: { plant: 'useradd planted', remove: 'userdel planted; rm -f /etc/*- /var/mail/planted' },
};

t.test('uninstall leaves the machine as it was', async (t) => {
  const lab = await bootLab('--nodes', '1');
  t.teardown(() => lab.down());
  const { name } = lab.machines[0] ?? { name: '' };
  const sh = (command: string): ReturnType<typeof lab.exec> => lab.exec(name, 'sh', '-c', command);
  await sh('rm -f /etc/*-; mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf');
  // A login of the administrator's before the first snapshot, so that what it leaves is in both.
  await lab.admin(['preflight', '-f', lab.clusterFile]);

  await t.test('the snapshot sees one of each kind', async (t) => {
    const before = await takeSnapshot(lab, name);
    for (const kind of KINDS) {
      const { plant, remove } = PLANTS[kind] ?? { plant: 'false', remove: 'false' };
      await sh(plant);
      const seen = difference(before, await takeSnapshot(lab, name)).filter((line) => line.startsWith(`${kind}:`));
      t.ok(seen.length > 0, `${kind}: ${seen[0] ?? 'nothing seen'}`);
      await sh(remove);
    }
  });

  const before = await takeSnapshot(lab, name);
  const installed = await lab.admin(['install', '-f', lab.clusterFile]);
  t.equal(installed.exitCode, 0, `${installed.stderr}${installed.stdout.slice(-1500)}`);

  await t.test('another file system below the prefix keeps its data', async (t) => {
    await sh(
      'mkdir /opt/terrarium/foreign; mount -t tmpfs tmpfs /opt/terrarium/foreign; echo precious > ' +
        '/opt/terrarium/foreign/data',
    );
    const removed = await lab.admin(['uninstall', '-f', lab.clusterFile, '--yes']);
    t.equal(removed.exitCode, 0, removed.stderr);
    t.equal((await sh('cat /opt/terrarium/foreign/data')).stdout.trim(), 'precious');
    await sh('umount /opt/terrarium/foreign; rm -r /opt/terrarium');
  });

  await t.test('and nothing else', async (t) => {
    const unlisted = (all: string[]): string[] =>
      all.filter((line) => !ALLOWED.some(({ pattern }) => pattern.test(line)));
    // A process may still be ending, a login's session, too.
    const all = await eventually(
      async () => difference(before, await takeSnapshot(lab, name)),
      (lines) => unlisted(lines).length === 0,
      60_000,
    );
    const left = unlisted(all);
    t.ok(
      all.length - left.length <= 10,
      `at most ten paths by the list: ${all.filter((l) => !left.includes(l)).join('; ')}`,
    );
    t.strictSame(left, []);
  });
});
