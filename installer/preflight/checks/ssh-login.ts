import type { HostCheck } from '../check.ts';

const ADVISED_MS = 2000;

export const check: HostCheck = {
  code: 'ssh-login',
  title: 'ssh lets in without delay',
  scope: 'host',
  operations: ['install', 'join', 'upgrade'],
  judge({ loginMs }) {
    if (loginMs === undefined || loginMs < ADVISED_MS) {
      return [];
    }
    return [
      {
        severity: 'warn',
        message:
          `The ssh login took ${(loginMs / 1000).toFixed(1)} s: sshd waits for something that does not answer, ` +
          'mostly DNS.',
        remedy:
          'Set `UseDNS no` in /etc/ssh/sshd_config there, and look for servers of names or users (LDAP, sssd) that ' +
          'do not answer.',
      },
    ];
  },
};
