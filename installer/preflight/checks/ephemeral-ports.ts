import { portUses } from '../../cluster/ports.ts';
import type { HostCheck } from '../check.ts';
import { list } from '../format.ts';

export const check: HostCheck = {
  code: 'ephemeral-ports',
  title: 'no client can happen to take our ports',
  scope: 'host',
  operations: ['install', 'join'],
  judge({ facts }, context) {
    const [low = 0, high = 0] = (facts.limits.sysctl['net.ipv4.ip_local_port_range'] ?? '').split(/\s+/).map(Number);
    const inside = portUses(context.ports).filter(
      (u) =>
        u.port >= low &&
        u.port <= high &&
        !reserved(facts.limits.sysctl['net.ipv4.ip_local_reserved_ports'] ?? '', u.port),
    );
    if (inside.length === 0) {
      return [];
    }
    return [
      {
        severity: 'warn',
        message:
          `Any client on the machine may take ${inside.length === 1 ? 'the port' : 'the ports'} ` +
          `${list(inside.map((u) => `${u.port} (${u.name})`))}: outgoing connections use ${low} to ${high}.`,
        remedy: 'Add them to net.ipv4.ip_local_reserved_ports, or choose others by `ports:` in cluster.yaml.',
      },
    ];
  },
};

/** @param ranges `8080,9148-9200`, as the kernel writes it */
function reserved(ranges: string, port: number): boolean {
  return ranges.split(',').some((range) => {
    const [first = Number.NaN, last = first] = range.split('-').map(Number);
    return range !== '' && port >= first && port <= last;
  });
}
