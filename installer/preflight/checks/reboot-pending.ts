import type { HostCheck } from '../check.ts';

export const check: HostCheck = {
  code: 'reboot-pending',
  title: 'no restart is due',
  scope: 'host',
  operations: ['install', 'join', 'upgrade'],
  judge({ facts }) {
    if (!facts.os.rebootRequired) {
      return [];
    }
    return [
      {
        severity: 'warn',
        message: 'A package asks for a restart (/run/reboot-required).',
        remedy: 'Reboot before the install, so that the running kernel and its modules fit together.',
      },
    ];
  },
};
