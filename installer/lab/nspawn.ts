import { RUN_DIR, netnsFile, nspawnName, rootDir } from './names.ts';

/**
 * systemd-nspawn's arguments for one machine. `--keep-unit` and `--register=no`: the machine stays in the cgroup in
 * which nspawn was started and needs no machined. CAP_SYS_TIME is dropped because the clock is shared with this
 * machine.
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
 * The command that boots a machine. nspawn runs in a mount namespace of its own in which the other machines' disks are
 * unmounted: it would keep them in use for as long as it runs, and a machine whose power was cut could not start again.
 * It is started inside the machine's network namespace: by --network-namespace-path the machine's /sys/class/net would
 * list this machine's interfaces.
 *
 * @param cgroup the machine's folder where cgroup2 has all controllers; '' elsewhere. A cgroup2 folder hands
 *   controllers down only while no process
 * is in it: what waits for nspawn sits in `keeper`, and each boot has a folder of its own, which nspawn divides between
 * itself and the machine.
 */
export function bootCommand(name: string, cgroup: string): string[] {
  const script = [
    'while read -r _ _ _ _ point _; do',
    `case "$point" in "$1"|"$2") ;; ${RUN_DIR}/*) umount "$point" || exit 125 ;; esac`,
    'done < /proc/self/mountinfo; cgroup=$3; shift 3',
    'if [ -n "$cgroup" ]; then',
    'mkdir -p "$cgroup/keeper"; echo 0 > "$cgroup/keeper/cgroup.procs" || exit 125',
    // One by one: what this machine cannot hand down, the lab goes without.
    'for c in $(cat "$cgroup/cgroup.controllers"); do echo "+$c" > "$cgroup/cgroup.subtree_control"; done; fi',
    'boot() { [ -z "$cgroup" ] || { mkdir "$cgroup/boot-$n" && echo 0 > "$cgroup/boot-$n/cgroup.procs" || exit ' +
      '125; }; exec "$@"; }',
    // 133: the machine asked for a reboot.
    'n=1; while :; do (boot "$@"); code=$?; [ "$code" = 133 ] || exit "$code"; n=$((n + 1)); done',
  ].join('\n');
  return [
    'nsenter',
    `--net=${netnsFile(name)}`,
    'unshare',
    '--mount',
    '--propagation=slave',
    'sh',
    '-c',
    script,
    'terrarium-lab',
    rootDir(name),
    netnsFile(name),
    cgroup,
    'systemd-nspawn',
    ...nspawnArguments(name),
  ];
}

/**
 * Arguments for sh(1) that move it into the given cgroups and then become `command`, which the shell never interprets.
 */
export function inCgroups(dirs: string[], command: string[]): string[] {
  const script = 'while [ "$1" != -- ]; do echo 0 > "$1/cgroup.procs" || exit 125; shift; done; shift; exec "$@"';
  return ['-c', script, 'terrarium-lab', ...dirs, '--', ...command];
}
