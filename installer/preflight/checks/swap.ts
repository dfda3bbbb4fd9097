import type { HostCheck } from '../check.ts';
import { gib, list } from '../format.ts';

export const check: HostCheck = {
  code: 'swap',
  title: 'nothing is swapped out',
  scope: 'host',
  operations: ['install', 'join', 'upgrade'],
  judge({ facts }) {
    const { swapLive, swapFstab, swapUnits } = facts.memory;
    if (swapLive.length > 0) {
      return [
        {
          severity: 'fail',
          message:
            `Swap is on (${list(swapLive.map((s) => `${s.path}, ${gib(s.bytes)}`))}); Kubernetes does not start with ` +
            'it.',
          remedy: 'Run `terrarium preflight --fix`, or `swapoff -a` and remove it from /etc/fstab.',
          fixable: 'swap',
        },
      ];
    }
    const returning = [...swapFstab.map((l) => `/etc/fstab: ${l.trim().split(/\s+/)[0]}`), ...swapUnits];
    if (returning.length === 0) {
      return [];
    }
    return [
      {
        severity: 'warn',
        message: `Swap is off now but comes back at the next boot (${list(returning)}).`,
        remedy: 'Run `terrarium preflight --fix`, or remove it there.',
        fixable: 'swap',
      },
    ];
  },
};
