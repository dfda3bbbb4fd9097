import type { Finding, HostCheck } from '../check.ts';
import { gib } from '../format.ts';

/** Twice what journald takes by itself. */
const SHARE = 0.2;

export const check: HostCheck = {
  code: 'log-limits',
  title: 'the logs cannot fill the disk',
  scope: 'host',
  operations: ['install', 'join', 'upgrade'],
  judge({ facts }) {
    const { journalOnDisk, journalMaxBytes, syslog, rotated } = facts.logs;
    const { mountPoint, sizeBytes } = facts.storage.logs;
    const found: Finding[] = [];
    if (journalOnDisk && journalMaxBytes !== null && journalMaxBytes > SHARE * sizeBytes) {
      const share = journalMaxBytes >= sizeBytes ? 'all' : `${Math.round((100 * journalMaxBytes) / sizeBytes)} %`;
      found.push({
        severity: 'warn',
        message:
          `The journal may grow to ${gib(journalMaxBytes)}, ${share} of ${mountPoint}; applications are stopped when ` +
          'that is full.',
        remedy: 'Lower SystemMaxUse in /etc/systemd/journald.conf, or leave it out.',
      });
    }
    if (syslog !== null && !rotated) {
      found.push({
        severity: 'warn',
        message:
          `${syslog} writes to ${mountPoint === '/' ? '/var/log' : mountPoint} and nothing shortens its files ` +
          '(logrotate is not installed).',
        remedy: 'Install the package logrotate.',
      });
    }
    return found;
  },
};
