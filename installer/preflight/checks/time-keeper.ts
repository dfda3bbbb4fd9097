import type { HostCheck } from '../check.ts';

export const check: HostCheck = {
  code: 'time-keeper',
  title: 'something keeps the clock right',
  scope: 'host',
  operations: ['install', 'join', 'upgrade'],
  judge({ facts }) {
    if (facts.time.keeper !== null || facts.os.container !== null) {
      return [];
    }
    return [
      {
        severity: 'info',
        message:
          'Nothing keeps the clock right (no chrony, no systemd-timesyncd): that works as long as the machines ' +
          'agree to 30 s.',
      },
    ];
  },
};
