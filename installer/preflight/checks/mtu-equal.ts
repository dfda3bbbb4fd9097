import type { ClusterCheck } from '../check.ts';
import { interfaceOf } from '../facts/network.ts';
import { list } from '../format.ts';

export const check: ClusterCheck = {
  code: 'mtu-equal',
  title: 'all machines have the same MTU',
  scope: 'cluster',
  operations: ['install', 'join', 'upgrade'],
  judge(members) {
    const sizes = Map.groupBy(members, (m) => interfaceOf(m.facts.network, m.address)?.mtu ?? 0);
    sizes.delete(0);
    if (sizes.size < 2) {
      return [];
    }
    return [
      {
        severity: 'warn',
        message:
          'The MTU differs: ' +
          `${[...sizes].map(([mtu, same]) => `${mtu} on ${list(same.map((m) => m.name))}`).join('; ')}.`,
        remedy: 'Set the same on all machines.',
      },
    ];
  },
};
