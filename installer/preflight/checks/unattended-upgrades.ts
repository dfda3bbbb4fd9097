import type { HostCheck } from '../check.ts';

export const check: HostCheck = {
  code: 'unattended-upgrades',
  title: 'no unattended restart in the middle of an operation',
  scope: 'host',
  operations: ['install', 'join', 'upgrade'],
  judge({ facts }) {
    const file = facts.os.automaticReboot;
    if (file === null) {
      return [];
    }
    return [
      {
        severity: 'warn',
        message: `Unattended upgrades may restart the machine by themselves (${file}).`,
        remedy:
          'Set Unattended-Upgrade::Automatic-Reboot to "false" (in /etc/dnf/automatic.conf: reboot = never), or to ' +
          'different hours on each node.',
      },
    ];
  },
};
