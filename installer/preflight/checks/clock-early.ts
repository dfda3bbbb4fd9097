import type { HostCheck } from '../check.ts';

/** No release is older. */
const EARLIEST = Date.UTC(2026, 0, 1);

export const check: HostCheck = {
  code: 'clock-early',
  title: 'the clock shows a time after this release',
  scope: 'host',
  operations: ['install', 'join', 'upgrade'],
  judge({ facts }) {
    if (facts.time.nowMs >= EARLIEST) {
      return [];
    }
    return [
      {
        severity: 'fail',
        message:
          `The clock shows ${new Date(facts.time.nowMs).toISOString().slice(0, 16)}, before this release was made; ` +
          'its certificates would not be valid yet.',
        remedy: 'Set the clock (`timedatectl set-time`).',
      },
    ];
  },
};
