import type { HostCheck } from '../check.ts';

export const check: HostCheck = {
  code: 'systemd',
  title: 'systemd runs the machine',
  scope: 'host',
  operations: ['install', 'join'],
  judge({ facts }) {
    const { init, systemdVersion } = facts.os;
    if (init !== 'systemd') {
      return [
        {
          severity: 'fail',
          message: `The machine is run by ${init}, not by systemd.`,
          remedy: 'Use a machine with systemd as its first process (in WSL: systemd=true in /etc/wsl.conf).',
        },
      ];
    }
    if (systemdVersion !== null && systemdVersion >= 245) {
      return [];
    }
    return [
      {
        severity: 'fail',
        message: `systemd is of version ${systemdVersion ?? 'unknown'}; 245 is needed.`,
        remedy: 'Upgrade the operating system.',
      },
    ];
  },
};
