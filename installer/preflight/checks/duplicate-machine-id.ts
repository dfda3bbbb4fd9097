import type { ClusterCheck } from '../check.ts';
import { list } from '../format.ts';
import { twins } from '../twins.ts';

export const check: ClusterCheck = {
  code: 'duplicate-machine-id',
  title: 'each machine has an id of its own',
  scope: 'cluster',
  operations: ['install', 'join'],
  judge(members) {
    return twins(members, (m) => m.facts.os.machineId).map(([value, same]) => ({
      severity: 'fail' as const,
      message:
        `${list(same.map((m) => m.name))} have the same /etc/machine-id ` +
        `(${value.slice(0, 8)}…): they were cloned.`,
      remedy: 'On all but one run `rm /etc/machine-id && systemd-machine-id-setup`, then reboot.',
    }));
  },
};
