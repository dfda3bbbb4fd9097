import type { HostCheck } from '../check.ts';
import { list } from '../format.ts';

export const check: HostCheck = {
  code: 'network-manager',
  title: 'nothing undoes routes and settings behind our back',
  scope: 'host',
  operations: ['install', 'join', 'upgrade'],
  judge({ facts }) {
    const found = facts.foreign.others.filter((o) => o === 'nm-cloud-setup' || o === 'wickedd');
    if (found.length === 0) {
      return [];
    }
    return [
      {
        severity: 'warn',
        message: `${list(found)} runs and may undo routes and kernel settings.`,
        remedy: 'Disable it (`systemctl disable --now nm-cloud-setup.timer`), or see that it leaves them alone.',
      },
    ];
  },
};
