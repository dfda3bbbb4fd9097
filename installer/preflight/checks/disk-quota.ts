import type { HostCheck } from '../check.ts';
import { list } from '../format.ts';

export const check: HostCheck = {
  code: 'disk-quota',
  title: 'no quota stops writers while there is space',
  scope: 'host',
  operations: ['install', 'join', 'upgrade'],
  judge({ facts }) {
    return facts.storage.disks
      .filter((d) => d.quotas.length > 0)
      .map((d) => ({
        severity: 'warn' as const,
        message:
          `${d.mountPoint} is mounted with quotas for users or groups (${list(d.quotas)}), which stop containers ` +
          'that run as such users though there is space.',
        remedy: 'Remount it without, or see by `repquota` that no user of a container has a limit.',
      }));
  },
};
