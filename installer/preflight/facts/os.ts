import { arch, hostname, release, uptime } from 'node:os';
import { namesIn, outputOf, textOf } from './read.ts';

export interface OsFacts {
  /** /etc/os-release */
  id: string;
  version: string;
  prettyName: string;
  /** `6.1.0-18-amd64` */
  kernel: string;
  /** As Node names it: x64, arm64 … */
  arch: string;
  /** Host name as the kernel has it, capitals included. */
  hostname: string;
  /** The name in /etc/hostname, which it has again after a boot; null where none is written there. */
  staticHostname: string | null;
  machineId: string;
  /** Public host keys of sshd: type and base64, without comment. */
  sshHostKeys: string[];
  /** Name of process 1. */
  init: string;
  /** Undefined where there is no systemd. */
  systemdVersion: number | null;
  /** `systemd-nspawn`, `docker` …; null on a machine of its own. */
  container: string | null;
  uptimeS: number;
  /** A package asked for a restart (/run/reboot-required). */
  rebootRequired: boolean;
  /** File by which unattended upgrades (apt's or dnf's) may restart the machine; null where they may not. */
  automaticReboot: string | null;
}

export async function gatherOs(): Promise<OsFacts> {
  const [osRelease, staticName, machineId, init, systemd, container, sshFiles, reboot, automaticReboot] =
    await Promise.all([
      textOf('/etc/os-release').then(async (t) => t ?? (await textOf('/usr/lib/os-release')) ?? ''),
      textOf('/etc/hostname'),
      textOf('/etc/machine-id'),
      textOf('/proc/1/comm'),
      outputOf('systemctl', ['--version']),
      containerKind(),
      namesIn('/etc/ssh'),
      textOf('/run/reboot-required'),
      automaticRebootFile(),
    ]);
  const release_ = Object.fromEntries(
    [...osRelease.matchAll(/^([A-Z_]+)="?(.*?)"?$/gm)].map((m) => [m[1], m[2]]),
  ) as Record<string, string>;
  const keys = await Promise.all(
    sshFiles.filter((f) => /^ssh_host_.*_key\.pub$/.test(f)).map((f) => textOf(`/etc/ssh/${f}`)),
  );
  const version = /^systemd (\d+)/.exec(systemd ?? '')?.[1];
  return {
    id: release_['ID'] ?? '',
    version: release_['VERSION_ID'] ?? '',
    prettyName: release_['PRETTY_NAME'] ?? 'unknown',
    kernel: release(),
    arch: arch(),
    hostname: hostname(),
    staticHostname: staticHostname(staticName),
    machineId: machineId?.trim() ?? '',
    sshHostKeys: keys.flatMap((k) => (k === undefined ? [] : [k.split(' ').slice(0, 2).join(' ').trim()])),
    init: init?.trim() ?? '',
    systemdVersion: version === undefined ? null : Number(version),
    container,
    uptimeS: Math.round(uptime()),
    rebootRequired: reboot !== undefined,
    automaticReboot,
  };
}

/** @param text of /etc/hostname, hostname(5): the first line that is no comment. */
export function staticHostname(text: string | undefined): string | null {
  const name = (text ?? '')
    .split('\n')
    .map((l) => l.trim())
    .find((l) => l !== '' && !l.startsWith('#'));
  return name ?? null;
}

async function automaticRebootFile(): Promise<string | null> {
  const parts = (await namesIn('/etc/apt/apt.conf.d')).toSorted().map((n) => `/etc/apt/apt.conf.d/${n}`);
  const files = await Promise.all(
    [...parts, '/etc/apt/apt.conf', '/etc/dnf/automatic.conf'].map(async (file) => ({
      file,
      text: (await textOf(file)) ?? '',
    })),
  );
  return automaticReboot(files);
}

/** The last word on `Unattended-Upgrade::Automatic-Reboot` (apt) or `reboot` (dnf-automatic), where it is yes. */
export function automaticReboot(files: { file: string; text: string }[]): string | null {
  const found = files.flatMap(({ file, text }) =>
    [
      ...text.matchAll(
        /^[ \t]*(?:Unattended-Upgrade::Automatic-Reboot[ \t]+"?(\w+)"?[ \t]*;|reboot[ \t]*=[ \t]*(\S+))/gm,
      ),
    ].map((m) => ({ file, apt: m[1], dnf: m[2] })),
  );
  const apt = found.findLast((f) => f.apt !== undefined);
  const dnf = found.findLast((f) => f.dnf !== undefined);
  if (/^(?:true|yes|on|1|with|enable)$/i.test(apt?.apt ?? '')) {
    return apt?.file ?? null;
  }
  return dnf?.dnf?.startsWith('when-') === true ? dnf.file : null;
}

async function containerKind(): Promise<string | null> {
  const told = await textOf('/run/systemd/container');
  if (told !== undefined && told.trim() !== '') {
    return told.trim();
  }
  const environment = await textOf('/proc/1/environ');
  return /(?:^|\0)container=([^\0]+)/.exec(environment ?? '')?.[1] ?? null;
}
