import type { ClusterCheck } from '../check.ts';
import { interfaceOf } from '../facts/network.ts';

export const check: ClusterCheck = {
  code: 'checksum-errors',
  title: 'packets arrive with the right checksum',
  scope: 'cluster',
  operations: ['install', 'join', 'upgrade'],
  judge(members, _context, matrix) {
    // What a machine has counted is the same for all ways to it.
    const counts = new Map(matrix.map((pair) => [pair.to, pair.checksumErrors ?? 0]));
    return [...counts].flatMap(([name, count]) => {
      if (count === 0) {
        return [];
      }
      const member = members.find((m) => m.name === name);
      const device = member === undefined ? undefined : interfaceOf(member.facts.network, member.address)?.name;
      return [
        {
          severity: 'warn' as const,
          host: name,
          message:
            `${count === 1 ? 'A packet' : `${count} packets`} came in with a wrong checksum while the machines sent ` +
            'to each other: a network card or its driver computes it wrongly.',
          remedy:
            `Try \`ethtool -K ${device ?? 'eth0'} tx off\` on the machines that send to it (known of vmxnet3 and ` +
            'virtio cards), or renew driver and hypervisor.',
        },
      ];
    });
  },
};
