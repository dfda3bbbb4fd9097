import type { ClusterCheck } from '../check.ts';
import { list } from '../format.ts';
import { twins } from '../twins.ts';

export const check: ClusterCheck = {
  code: 'duplicate-hostname',
  title: 'each machine has a name of its own',
  scope: 'cluster',
  operations: ['install', 'join'],
  judge(members) {
    return twins(members, (m) => m.name).map(([value, same]) => ({
      severity: 'fail' as const,
      message: `${list(same.map((m) => m.address))} are all called ${value}.`,
      remedy: 'Rename all but one (`hostnamectl set-hostname`), or give each a `name:` in cluster.yaml.',
    }));
  },
};
