import { createHash } from 'node:crypto';
import { SSH_USER } from './names.ts';

/** What the root of every lab machine is made of: a plain Debian server without any container software. */
export const SUITE = 'bookworm';

export const PACKAGES = [
  'systemd',
  'systemd-sysv',
  'dbus',
  'libpam-systemd',
  'openssh-server',
  'sudo',
  'iproute2',
  'procps',
  'kmod',
  'iptables',
  'nftables',
  'conntrack',
  'socat',
  'ethtool',
  'util-linux',
  'mount',
  'curl',
  'ca-certificates',
  'iputils-ping',
  'netcat-openbsd',
  'less',
  'nano',
  'cron',
  'logrotate',
];

/** Units that a machine in a namespace has no use for, or that would only make its boot slow. */
const MASKED = [
  'apt-daily.timer',
  'apt-daily-upgrade.timer',
  'e2scrub_all.timer',
  'e2scrub_reap.service',
  'fstrim.timer',
  'dpkg-db-backup.timer',
  'console-getty.service',
  'getty@.service',
  'getty-static.service',
  'systemd-network-generator.service',
  'systemd-firstboot.service',
];

/** Sysctls that are the whole machine's: a lab machine must not write this machine's. */
const NO_SYSCTL_FILES = ['50-default.conf', '50-pid-max.conf', '99-protect-links.conf'];

/** nspawn mounts cgroup controllers and /proc/sys read-only and / private; a server has them writable and shared. */
const PREPARE = `#!/bin/bash
set -eu
mount -o remount,bind,rw /proc/sys
# The file system writable for containers' own mounts of it; this mount read-only, or networkd waits for a udev.
mount -o remount,rw /sys
mount -o remount,bind,ro /sys
while read -r _ _ _ _ point _ rest; do
  case "$rest" in
    *" - cgroup "*|*" - cgroup2 "*) mount -o remount,bind,rw "$point" ;;
  esac
done < /proc/self/mountinfo
# Over several v1 hierarchies lies a tmpfs, which systemd leaves read-only.
[ "$(stat -f -c %T /sys/fs/cgroup)" != tmpfs ] || mount -o remount,rw,mode=755 /sys/fs/cgroup
mount --make-rshared /
`;

const PREPARE_UNIT = `[Unit]
Description=Make this machine's own part of the kernel writable
DefaultDependencies=no
Before=sysinit.target systemd-sysctl.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/lib/terrarium-lab/prepare

[Install]
WantedBy=sysinit.target
`;

export interface RecipeFile {
  path: string;
  mode: number;
  content: string;
}

export const FILES: RecipeFile[] = [
  { path: '/usr/local/lib/terrarium-lab/prepare', mode: 0o755, content: PREPARE },
  { path: '/etc/systemd/system/terrarium-lab-prepare.service', mode: 0o644, content: PREPARE_UNIT },
  // The kernel's messages are this machine's, not the lab machine's.
  {
    path: '/etc/systemd/journald.conf.d/lab.conf',
    mode: 0o644,
    content: '[Journal]\nReadKMsg=no\nSystemMaxUse=64M\nRuntimeMaxUse=32M\n',
  },
  { path: `/etc/sudoers.d/${SSH_USER}`, mode: 0o440, content: `${SSH_USER} ALL=(ALL:ALL) NOPASSWD:ALL\n` },
  {
    path: '/etc/ssh/sshd_config.d/lab.conf',
    mode: 0o644,
    content: 'PasswordAuthentication no\nPermitRootLogin no\nUseDNS no\n',
  },
  { path: '/etc/fstab', mode: 0o644, content: '' },
];

/** Run by chroot in the new root, in this order, after FILES were written. */
export const COMMANDS: string[][] = [
  ['useradd', '--create-home', '--shell', '/bin/bash', '--comment', 'Administrator', SSH_USER],
  ['install', '-d', '-m', '0700', '-o', SSH_USER, '-g', SSH_USER, `/home/${SSH_USER}/.ssh`],
  ['systemctl', 'enable', 'systemd-networkd.service', 'terrarium-lab-prepare.service', 'ssh.service'],
  ['systemctl', 'mask', ...MASKED],
  ...NO_SYSCTL_FILES.map((f) => ['ln', '-sfn', '/dev/null', `/etc/sysctl.d/${f}`]),
  // Each machine gets its own.
  [
    'sh',
    '-c',
    'rm -f /etc/ssh/ssh_host_* /etc/machine-id /var/lib/dbus/machine-id; rm -rf /var/lib/apt/lists/* ' +
      '/var/cache/apt/*.bin /var/log/bootstrap.log',
  ],
  ['ln', '-s', '/etc/machine-id', '/var/lib/dbus/machine-id'],
];

/** Names the cached image: another recipe, another image. */
export function recipeKey(mirror: string): string {
  return createHash('sha256')
    .update(JSON.stringify([SUITE, mirror, PACKAGES, FILES, COMMANDS, 1]))
    .digest('hex')
    .slice(0, 12);
}
