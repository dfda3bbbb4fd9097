import type { HostCheck } from '../check.ts';
import { list } from '../format.ts';

export const check: HostCheck = {
  code: 'localhost',
  title: 'localhost is this machine',
  scope: 'host',
  operations: ['install', 'join', 'upgrade'],
  judge({ facts }) {
    // containerd copies it into every pod, and makes no pod without.
    if (!facts.network.hostsFile) {
      return [
        {
          severity: 'fail',
          message: 'There is no /etc/hosts, without which no container can be started.',
          remedy: 'Make it, with the line "127.0.0.1 localhost".',
        },
      ];
    }
    const strange = facts.network.localhost.filter((a) => !a.startsWith('127.') && a !== '::1');
    if (strange.length > 0) {
      return [
        {
          severity: 'fail',
          message: `/etc/hosts says that localhost is ${list(strange)}.`,
          remedy: 'Let localhost be 127.0.0.1 and ::1 there.',
        },
      ];
    }
    const sources = facts.network.nameSources;
    // systemd's sources know localhost by themselves.
    const own = sources.findIndex((s) => s === 'files' || s === 'myhostname' || s === 'resolve');
    const dns = sources.indexOf('dns');
    if (dns !== -1 && (own === -1 || dns < own)) {
      return [
        {
          severity: 'warn',
          message: '/etc/nsswitch.conf asks the DNS servers before /etc/hosts, for localhost too.',
          remedy: 'Write "hosts: files dns" there.',
        },
      ];
    }
    if (facts.network.localhost.length > 0) {
      return [];
    }
    return [
      {
        severity: 'warn',
        message: '/etc/hosts does not name localhost: asking for it goes to the DNS servers.',
        remedy: 'Add the line "127.0.0.1 localhost" to /etc/hosts.',
      },
    ];
  },
};
