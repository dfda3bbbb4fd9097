import type { HostCheck } from '../check.ts';
import { list } from '../format.ts';

export const check: HostCheck = {
  code: 'dns-wildcard',
  title: 'short names are not found by chance',
  scope: 'host',
  operations: ['install', 'join', 'upgrade'],
  judge({ facts }) {
    const { wildcards } = facts.dns;
    if (wildcards.length === 0) {
      return [];
    }
    return [
      {
        severity: 'warn',
        message:
          `In the search domain ${list(wildcards)} every name exists (a wildcard record): a mistyped short name ` +
          'leads there instead of failing.',
        remedy: 'Remove it from `search` in /etc/resolv.conf.',
      },
    ];
  },
};
