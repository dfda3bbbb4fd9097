import type { ClusterCheck } from '../check.ts';

const CAUSES: Record<string, string> = {
  timeout: 'no answer to two tries of 1.6 s (a firewall drops it)',
  refused: 'refused although a program listens there (a firewall rejects it)',
  unreachable: 'there is no way to that address',
  stranger: 'another machine answers at that address',
};

function some(ports: number): string {
  return ports === 1 ? 'port' : 'ports';
}

export const check: ClusterCheck = {
  code: 'port-blocked',
  title: 'every port is reachable between the machines',
  scope: 'cluster',
  operations: ['install', 'join', 'upgrade'],
  judge(_members, _context, matrix) {
    return matrix.flatMap((pair) => {
      const bad = pair.ports.filter((p) => p.outcome !== 'open');
      if (bad.length === 0) {
        return [];
      }
      const all = bad.length === pair.ports.length && bad.length > 1;
      return [...Map.groupBy(bad, (p) => p.outcome)].map(([outcome, ports]) => ({
        severity: 'fail' as const,
        message:
          `${pair.from} → ${pair.to}: ` +
          `${all && ports.length === bad.length ? 'none of the ports' : some(ports.length)} ` +
          `${ports.map((p) => p.port).join(', ')} (${ports.map((p) => p.name).join(', ')}) ` +
          `${all && ports.length === bad.length ? 'can be reached' : 'cannot be reached'}: ${CAUSES[outcome]}.`,
        remedy:
          `Let tcp ${ports.map((p) => p.port).join(', ')} from ${pair.from} through in the firewall of ${pair.to} ` +
          'and in any between them.',
      }));
    });
  },
};
