import { accessSync, constants, existsSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT, Failure } from '../../src/errors.ts';
import { CLEAN_ENV } from './run.ts';

/** The programs that a lab is made with, and Debian's packages that have them. */
const PROGRAMS: Record<string, string> = {
  'systemd-nspawn': 'systemd-container',
  debootstrap: 'debootstrap',
  dnsmasq: 'dnsmasq-base',
  ip: 'iproute2',
  'ssh-keygen': 'openssh-client',
  mke2fs: 'e2fsprogs',
  resize2fs: 'e2fsprogs',
  losetup: 'mount',
  mount: 'mount',
  nsenter: 'util-linux',
  unshare: 'util-linux',
  setpriv: 'util-linux',
  perl: 'perl-base',
  chroot: 'coreutils',
};
/** And those for faults of the network. */
const FAULT_PROGRAMS: Record<string, string> = { nft: 'nftables' };

function installed(program: string): boolean {
  return CLEAN_ENV.PATH.split(':').some((dir) => {
    try {
      accessSync(join(dir, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Debian's packages that are missing for these programs, sorted. */
export function missingPackages(has: (program: string) => boolean, programs: string[]): string[] {
  return [...new Set(programs.filter((p) => !has(p)).map((p) => PROGRAMS[p] ?? FAULT_PROGRAMS[p] ?? p))].sort();
}

/** @throws Failure `not-root` */
export function requireRoot(what: string): void {
  if (process.getuid?.() === 0) {
    return;
  }
  throw new Failure('not-root', `${what} needs root on this machine.`, {
    remedy: 'Run the same command with sudo.',
    exitCode: EXIT.usage,
  });
}

function requireInstalled(programs: string[], what: string): void {
  const missing = missingPackages(installed, programs);
  if (missing.length === 0) {
    return;
  }
  throw new Failure('lab-missing-packages', `This machine lacks what ${what} is made with: ${missing.join(', ')}.`, {
    remedy: `Run: apt-get install -y ${missing.join(' ')}`,
    exitCode: EXIT.usage,
  });
}

/** @throws Failure `lab-missing-packages` */
export function requireFaultPrograms(): void {
  requireInstalled(Object.keys(FAULT_PROGRAMS), 'a fault of the network');
}

/** @throws Failure `lab-missing-packages`, `lab-no-loop`, `lab-no-kernel-support`: before anything is changed. */
export function requirePrograms(needs: { debootstrap: boolean; dns: boolean }): void {
  const programs = Object.keys(PROGRAMS).filter(
    (p) => (p !== 'debootstrap' || needs.debootstrap) && (p !== 'dnsmasq' || needs.dns),
  );
  requireInstalled(programs, 'a lab');
  if (!existsSync('/dev/loop-control')) {
    throw new Failure(
      'lab-no-loop',
      "This machine has no loop devices (/dev/loop-control is missing), and a lab machine's disk is one.",
      {
        remedy: 'Run: modprobe loop',
        exitCode: EXIT.usage,
      },
    );
  }
  if (!existsSync('/proc/self/ns/cgroup') || !existsSync('/sys/fs/cgroup')) {
    throw new Failure(
      'lab-no-cgroups',
      "This machine's kernel has no cgroup namespaces or its cgroups are not mounted at /sys/fs/cgroup.",
      {
        remedy: 'Use a Debian 12 machine with its own kernel.',
        exitCode: EXIT.usage,
      },
    );
  }
}
