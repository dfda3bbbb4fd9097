import type { HostCheck } from '../check.ts';

export const check: HostCheck = {
  code: 'apparmor-parser',
  title: 'AppArmor is complete or off',
  scope: 'host',
  operations: ['install', 'join', 'upgrade'],
  judge({ facts }) {
    if (!facts.security.apparmor || facts.security.apparmorParser) {
      return [];
    }
    return [
      {
        severity: 'warn',
        message: 'AppArmor is on but apparmor_parser is not installed: containers run without a profile.',
        remedy: 'Install the package apparmor.',
      },
    ];
  },
};
