import { access } from 'node:fs/promises';
import type { Process } from './processes.ts';

export interface TimeFacts {
  /** Milliseconds since 1970 as this machine sees it. */
  nowMs: number;
  /** What keeps its clock: chronyd, systemd-timesyncd …; null without. */
  keeper: string | null;
  /** Only systemd-timesyncd tells it by a file; null otherwise. */
  synchronized: boolean | null;
  zone: string;
}

const KEEPERS: Record<string, string> = {
  chronyd: 'chronyd',
  ntpd: 'ntpd',
  'systemd-timesyn': 'systemd-timesyncd',
  ptp4l: 'ptp4l',
  VBoxService: 'VirtualBox',
};

export async function gatherTime(processes: Process[]): Promise<TimeFacts> {
  const keeper = processes.map((p) => KEEPERS[p.name]).find((k) => k !== undefined) ?? null;
  const synchronized =
    keeper === 'systemd-timesyncd'
      ? await access('/run/systemd/timesync/synchronized').then(
          () => true,
          () => false,
        )
      : null;
  return { nowMs: Date.now(), keeper, synchronized, zone: Intl.DateTimeFormat().resolvedOptions().timeZone };
}
