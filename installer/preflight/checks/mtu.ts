import type { ClusterCheck, Finding } from '../check.ts';
import { interfaceOf } from '../facts/network.ts';

export const check: ClusterCheck = {
  code: 'mtu',
  title: 'full-size packets pass between the machines',
  scope: 'cluster',
  operations: ['install', 'join', 'upgrade'],
  judge(members, _context, matrix) {
    return matrix.flatMap((pair): Finding[] => {
      const { mtu } = pair;
      if (mtu === null) {
        return [];
      }
      const way = `${pair.from} → ${pair.to}`;
      if (mtu.passes === null) {
        if (pair.bulk !== false) {
          return [];
        }
        return [
          {
            severity: 'fail',
            message: `${way}: connections are made but larger amounts of data vanish.`,
            remedy: 'Look for a path with a smaller MTU than the interfaces say, and set that on all machines.',
          },
        ];
      }
      const other = members.find((m) => m.name === pair.to);
      const peer = other === undefined ? undefined : interfaceOf(other.facts.network, other.address)?.mtu;
      // TCP never sends more than the smaller of both ends takes.
      const needed = Math.min(mtu.deviceMtu, peer ?? mtu.deviceMtu);
      if (mtu.passes >= needed) {
        return [];
      }
      const size = `frames larger than ${mtu.passes} bytes`;
      if (mtu.told !== null) {
        return [
          {
            severity: 'warn',
            message:
              `${way}: ${size} do not pass though ${mtu.device} says ${mtu.deviceMtu}; a router in between says so, ` +
              'which costs time.',
            remedy: `Set the MTU of ${mtu.device} to ${mtu.passes} on all machines.`,
          },
        ];
      }
      return [
        {
          severity: 'fail',
          message: `${way}: ${size} vanish though ${mtu.device} says ${mtu.deviceMtu}.`,
          remedy:
            `Set the MTU of the interfaces to ${mtu.passes} on all machines (\`ip link set ${mtu.device} mtu ` +
            `${mtu.passes}\`, and in the network configuration), or repair the path.`,
        },
      ];
    });
  },
};
