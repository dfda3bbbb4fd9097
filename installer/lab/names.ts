/**
 * Every name that a lab gives to something on this machine. `lab down` finds what to remove by these names alone,
 * so that it also works after `lab up` was killed before it had written anything down.
 */

/** The lab's bridge; the machines' host-side interfaces are `trm-1` … `trm-5`. */
export const BRIDGE = 'trm0';
/** Mounted disks, network namespaces and the state of the lab that is up. */
export const RUN_DIR = '/run/terrarium-lab';
export const STATE_FILE = `${RUN_DIR}/lab.json`;
/** The cgroup below which each machine has one of its own, in every hierarchy. */
export const CGROUP = 'terrarium-lab';
export const DNSMASQ_CONF = `${RUN_DIR}/dnsmasq.conf`;
export const DEFAULT_DIR = '/var/lib/terrarium-lab';
/** Lies in a lab's directory; without it `lab down` removes nothing there. */
export const MARKER = '.terrarium-lab';
/** Lies in the directory of a paused lab: what it was made from, for `lab resume`. */
export const PAUSE_FILE = 'lab.json';
/** The interface as the machine sees it. */
export const GUEST_INTERFACE = 'ens3';
export const SSH_USER = 'admin';

export function hostInterface(index: number): string {
  return `trm-${index}`;
}

/** nspawn's name of a machine; lower case, unlike perhaps the machine's own host name. */
export function nspawnName(name: string): string {
  return `trm-${name.toLowerCase()}`;
}

export function imageName(name: string): string {
  return `terrarium-lab-${name.toLowerCase()}.ext4`;
}

export function rootDir(name: string): string {
  return `${RUN_DIR}/${name.toLowerCase()}/root`;
}

export function netnsFile(name: string): string {
  return `${RUN_DIR}/net/${name.toLowerCase()}`;
}

export function isLabInterface(name: string): boolean {
  return /^trm(0|-[1-9][0-9]*)$/.test(name);
}

/** Whether a loop device's backing file is a machine's disk (the kernel appends ` (deleted)` to removed files). */
export function isLabImage(path: string): boolean {
  return /\/terrarium-lab-[a-z0-9-]+\.ext4( \(deleted\))?$/.test(path);
}

/** The machine whose disk that is, lower case; '' for another file. */
export function machineOfImage(path: string): string {
  return /\/terrarium-lab-([a-z0-9-]+)\.ext4( \(deleted\))?$/.exec(path)?.[1] ?? '';
}

/** Whether a process's arguments are those of a lab's nspawn or name server. */
export function isLabCommand(argv: string[]): boolean {
  return argv.some((a) => a.startsWith('--machine=trm-')) || argv.includes(`--conf-file=${DNSMASQ_CONF}`);
}

/** The machine whose cgroup a /proc/PID/cgroup file names, `undefined` if the process is in none of a lab's. */
export function machineOfCgroup(procCgroup: string): string | undefined {
  return /^[0-9]+:[^:]*:\/terrarium-lab\/([a-z0-9-]+)(?:\/|$)/m.exec(procCgroup)?.[1];
}
