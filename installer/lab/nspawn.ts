import { netnsFile, nspawnName, rootDir } from './names.ts';

/**
 * systemd-nspawn's arguments for one machine. `--keep-unit` and `--register=no`: the machine stays in the cgroup in which
 * nspawn was started and needs no machined. CAP_SYS_TIME is dropped because the clock is shared with this machine.
 */
export function nspawnArguments(name: string): string[] {
  return [
    '--quiet',
    `--directory=${rootDir(name)}`,
    `--machine=${nspawnName(name)}`,
    `--hostname=${name}`,
    '--register=no',
    '--keep-unit',
    '--resolv-conf=off',
    '--timezone=off',
    '--link-journal=no',
    '--console=read-only',
    `--network-namespace-path=${netnsFile(name)}`,
    '--capability=all',
    '--drop-capability=CAP_SYS_TIME',
    '--system-call-filter=@keyring bpf @mount',
    '--bind=/dev/kmsg',
    '--boot',
  ];
}

/** /tmp on the disk, as on a Debian server; a machine's /tmp is large enough for a bundle then. */
export const NSPAWN_ENV = { SYSTEMD_NSPAWN_TMPFS_TMP: '0' };

/**
 * Arguments for sh(1) that move it into the given cgroups and then become `command`, which the shell never interprets.
 */
export function inCgroups(dirs: string[], command: string[]): string[] {
  const script = 'while [ "$1" != -- ]; do echo 0 > "$1/cgroup.procs" || exit 125; shift; done; shift; exec "$@"';
  return ['-c', script, 'terrarium-lab', ...dirs, '--', ...command];
}
