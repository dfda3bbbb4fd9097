import type { HostCheck } from '../check.ts';

export const check: HostCheck = {
  code: 'selinux',
  title: 'SELinux does not stand in the way',
  scope: 'host',
  operations: ['install', 'join', 'upgrade'],
  judge({ facts }) {
    if (facts.security.selinux !== 'enforcing') {
      return [];
    }
    return [
      {
        severity: 'warn',
        message: 'SELinux is enforcing, which this version has not been tested with.',
        remedy:
          'If a step fails with "permission denied", look at `ausearch -m avc` and run `setenforce 0` before ' +
          'repeating the command.',
      },
    ];
  },
};
