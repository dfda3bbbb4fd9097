import type { ClusterCheck } from '../check.ts';
import { interfaceOf } from '../facts/network.ts';
import { list } from '../format.ts';
import { twins } from '../twins.ts';

export const check: ClusterCheck = {
  code: 'duplicate-mac',
  title: 'each machine has a network card of its own',
  scope: 'cluster',
  operations: ['install', 'join'],
  judge(members) {
    return twins(members, (m) => interfaceOf(m.facts.network, m.address)?.mac ?? '').map(([value, same]) => ({
      severity: 'fail' as const,
      message: `${list(same.map((m) => m.name))} have the same MAC address ${value}.`,
      remedy: 'Give each virtual machine a MAC address of its own in the hypervisor.',
    }));
  },
};
