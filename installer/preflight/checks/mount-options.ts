import type { HostCheck } from '../check.ts';
import { list } from '../format.ts';

export const check: HostCheck = {
  code: 'mount-options',
  title: 'files keep their rights where containers lie',
  scope: 'host',
  operations: ['install', 'join', 'upgrade'],
  judge({ facts }) {
    const { data } = facts.storage;
    const odd = data.mountOptions.filter((o) => o === 'nosuid' || o === 'nodev');
    if (odd.length === 0) {
      return [];
    }
    return [
      {
        severity: 'warn',
        message:
          `${data.mountPoint}, which will hold the containers, is mounted ${list(odd)}: programs in containers that ` +
          'change their user will not work.',
        remedy: `Remount it without, or choose another folder by \`paths.data\` in cluster.yaml.`,
      },
    ];
  },
};
