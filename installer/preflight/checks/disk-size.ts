import type { HostCheck } from '../check.ts';
import { gib } from '../format.ts';

export const check: HostCheck = {
  code: 'disk-size',
  title: 'the disk has room for applications',
  scope: 'host',
  operations: ['install', 'join'],
  judge({ facts }) {
    const { data } = facts.storage;
    if (data.sizeBytes >= 38 * 2 ** 30) {
      return [];
    }
    return [
      {
        severity: 'warn',
        message: `${data.mountPoint} has ${gib(data.sizeBytes)} in all; 40 GiB are advised.`,
        remedy: 'Enlarge the file system before the machine carries real load.',
      },
    ];
  },
};
