import type { Lab } from './lab.ts';

/** Everything of a machine that an uninstall must leave as it was, as sets of lines by kind. */
export type Snapshot = Record<string, Set<string>>;

/** What changes on an idle machine by itself: journal, clocks, counters, the test's own ssh logins and sudo. */
const VOLATILE_SYSCTL = [
  'random',
  'dentry',
  'inode-',
  'file-nr',
  'nr_free',
  'boot_id',
  'uuid',
  'ns_last_pid',
  'pty.nr',
  'conntrack_count',
  'mm_scan',
  'panic_on_warn',
  'entropy',
  'loadavg',
  'gc_',
  'cad_pid',
  'sched_domain',
  'perf_event_max_sample',
  'netdev_rss_key',
  'tcp_mem',
  'flowlabel',
  'mtu_expires',
  'route.flush',
  'kernel.tainted',
  'aio-nr',
  'sys.kernel.keys',
  'quota',
  'hotplug',
  'max_user',
  'drop_caches',
  'stat_refresh',
  'compact_memory',
].join('|');

const COMMANDS: Record<string, string> = {
  files:
    'find / -xdev \\( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path ' +
    '/var/tmp/systemd-private-\\* -o -path /var/log/journal -o -path /var/lib/systemd/timers -o -path /var/cache \\) ' +
    `-prune -o -printf '%y %m %U:%G %p %l\\n'`,
  contents: `find /etc /usr/local /opt /home /root -xdev -type f -exec sha256sum {} +`,
  run:
    `find /run /tmp /var/tmp -xdev \\( -path '/run/user*' -o -path '/run/systemd/*' -o -path '/run/log*' -o -path ` +
    `'/run/sudo*' -o -path '*/systemd-private-*' -o -path '/run/udev/*' \\) -prune -o -printf '%y %m %p\\n'`,
  mounts:
    `cut -d' ' -f4- /proc/1/mountinfo | sed -E 's/ (shared|master):[0-9]+//g; ` +
    `s/size=[0-9]+k//; s/nr_inodes=[0-9]+//'`,
  units:
    `systemctl list-unit-files --no-legend --no-pager | sed -E 's/ +/ /g'; systemctl list-units --all --no-legend ` +
    `--no-pager --plain | awk '$2 != "not-found" {print $1,$3}' | grep -vE ` +
    `'^(session-|user-|user@|run-user|systemd-tmpfiles|apt-|dpkg-|e2scrub|fstrim|logrotate|man-db|dev-|sys-)'`,
  processes:
    `ps -eo user=,args= --no-headers | grep -vE '\\[|ps -eo|sshd|sudo|sh ` +
    '-c|systemd-(udevd|timedated|hostnamed|localed|tmpfiles)|\\(sd-pam\\)|/lib/systemd/systemd ' +
    `--user|sed|sort|grep|agetty'`,
  cgroups:
    'find /sys/fs/cgroup -type d | grep -vE ' +
    `'user.slice|session-|/system.slice/(apt|dpkg|man-db|logrotate|systemd-|fstrim|e2scrub|run-)|init.scope'`,
  network:
    `ip -o link | sed -E 's/^[0-9]+: //; s/ qlen [0-9]+//'; ip -o addr | sed -E 's/^[0-9]+: //; ` +
    `s/(valid|preferred)_lft [0-9a-z]+//g'; ip route show table all; ip -6 route show table all | sed -E 's/ expires ` +
    `[0-9]+sec//'; ip rule; ip -6 rule; ip netns list`,
  firewall: `nft list ruleset; iptables-save 2>/dev/null | grep -v '^#'; ip6tables-save 2>/dev/null | grep -v '^#'`,
  sysctls: `sysctl -a 2>/dev/null | grep -vE '${VOLATILE_SYSCTL}'`,
  bpf: `find /sys/fs/bpf 2>/dev/null`,
  users: `getent passwd; getent group; getent shadow`,
};

export const KINDS = Object.keys(COMMANDS);

export async function takeSnapshot(lab: Lab, machine: string): Promise<Snapshot> {
  const snapshot: Snapshot = {};
  for (const [kind, command] of Object.entries(COMMANDS)) {
    const { stdout } = await lab.exec(machine, 'sh', '-c', command);
    snapshot[kind] = new Set(
      stdout
        .split('\n')
        .map((l) => l.trimEnd())
        .filter((l) => l !== ''),
    );
  }
  return snapshot;
}

/** `kind: + line` for what is new, `kind: - line` for what is gone. */
export function difference(before: Snapshot, after: Snapshot): string[] {
  return KINDS.flatMap((kind) => {
    const was = before[kind] ?? new Set<string>();
    const is = after[kind] ?? new Set<string>();
    return [
      ...[...is].filter((l) => !was.has(l)).map((l) => `${kind}: + ${l}`),
      ...[...was].filter((l) => !is.has(l)).map((l) => `${kind}: - ${l}`),
    ];
  });
}
