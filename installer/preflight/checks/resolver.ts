import type { Finding, HostCheck } from '../check.ts';

export const check: HostCheck = {
  code: 'resolver',
  title: 'the settings for DNS can be used by containers',
  scope: 'host',
  operations: ['install', 'join', 'upgrade'],
  judge({ facts }) {
    const { nameservers, searchDomains } = facts.network;
    const found: Finding[] = [];
    if (nameservers.length > 3) {
      found.push({
        severity: 'warn',
        message: `/etc/resolv.conf names ${nameservers.length} servers; only the first 3 are used.`,
        remedy: 'Leave three there.',
      });
    }
    if (searchDomains.length > 6) {
      found.push({
        severity: 'warn',
        message: `/etc/resolv.conf names ${searchDomains.length} search domains; old programs use only 6.`,
        remedy: 'Leave six there.',
      });
    }
    if (nameservers.length > 0 && nameservers.every((n) => n.startsWith('127.') || n === '::1')) {
      found.push({
        severity: 'info',
        message: `The DNS server is on the machine itself (${nameservers[0]}), which pods on the host network share.`,
      });
    }
    return found;
  },
};
