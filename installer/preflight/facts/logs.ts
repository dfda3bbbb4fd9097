import { access } from 'node:fs/promises';
import type { Process } from './processes.ts';
import { namesIn, textOf } from './read.ts';

/** What keeps the machine's logs from filling its disk. */
export interface LogFacts {
  /** journald writes to /var/log/journal, not only to memory. */
  journalOnDisk: boolean;
  /** SystemMaxUse as configured; null where journald decides by itself (a tenth of the file system, at most 4 GiB). */
  journalMaxBytes: number | null;
  /** Another writer of /var/log that runs: rsyslogd, syslog-ng; null without. */
  syslog: string | null;
  /** logrotate is installed. */
  rotated: boolean;
}

const FOLDERS = ['/usr/lib/systemd', '/lib/systemd', '/usr/local/lib/systemd', '/run/systemd', '/etc/systemd'];
const WRITERS = ['rsyslogd', 'syslog-ng'];
const UNITS = ['', 'K', 'M', 'G', 'T', 'P', 'E'];

export async function gatherLogs(processes: Process[]): Promise<LogFacts> {
  const there = (path: string): Promise<boolean> =>
    access(path).then(
      () => true,
      () => false,
    );
  const [files, folder, ...rotates] = await Promise.all([
    journaldFiles(),
    there('/var/log/journal'),
    there('/usr/sbin/logrotate'),
    there('/usr/bin/logrotate'),
  ]);
  const settings = journaldSettings(files);
  const storage = settings['Storage'] ?? 'auto';
  return {
    journalOnDisk: storage === 'persistent' || (storage === 'auto' && folder),
    journalMaxBytes: bytes(settings['SystemMaxUse'] ?? ''),
    syslog: WRITERS.find((w) => processes.some((p) => p.name === w)) ?? null,
    rotated: rotates.includes(true),
  };
}

/**
 * Texts in the order in which journald reads them: the main file, then the drop-ins by name, of equal names the one in
 * /etc (journald.conf(5)).
 */
async function journaldFiles(): Promise<string[]> {
  const dropIns = new Map<string, string>();
  for (const folder of FOLDERS) {
    for (const name of await namesIn(`${folder}/journald.conf.d`)) {
      if (name.endsWith('.conf')) {
        dropIns.set(name, `${folder}/journald.conf.d/${name}`);
      }
    }
  }
  const paths = [
    '/etc/systemd/journald.conf',
    ...[...dropIns].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, path]) => path),
  ];
  return await Promise.all(paths.map(async (p) => (await textOf(p)) ?? ''));
}

/** Settings of journald.conf files, later ones above earlier ones; one without a value is as if it were not there. */
export function journaldSettings(files: string[]): Record<string, string> {
  return Object.fromEntries(
    files.flatMap((text) =>
      [...text.matchAll(/^[ \t]*(\w+)[ \t]*=[ \t]*(.*?)[ \t]*$/gm)].map((m) => [m[1] ?? '', m[2] ?? '']),
    ),
  );
}

/** `500M` as systemd understands it, powers of 1024; null for anything else. */
export function bytes(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)\s*([KMGTPE]?)B?$/.exec(text);
  return match === null ? null : Number(match[1]) * 1024 ** UNITS.indexOf(match[2] ?? '');
}
