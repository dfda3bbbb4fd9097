import type { HostCheck } from '../check.ts';
import { list } from '../format.ts';

export const check: HostCheck = {
  code: 'dns-localhost',
  title: 'localhost is not found in DNS',
  scope: 'host',
  operations: ['install', 'join', 'upgrade'],
  judge({ facts }) {
    const strange = facts.dns.localhosts.filter((l) => !l.address.startsWith('127.'));
    if (strange.length === 0) {
      return [];
    }
    const covered = facts.network.localhost.length > 0;
    return [
      {
        severity: covered ? 'warn' : 'fail',
        message: `DNS knows ${list(strange.map((l) => `localhost.${l.domain} as ${l.address}`))}.`,
        remedy: covered
          ? 'Have it removed; /etc/hosts shields this machine as long as it names localhost.'
          : 'Add the line "127.0.0.1 localhost" to /etc/hosts.',
      },
    ];
  },
};
