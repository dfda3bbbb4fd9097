import type { Finding, HostCheck } from '../check.ts';
import { overlaps } from '../cidr.ts';

export const check: HostCheck = {
  code: 'service-range',
  title: 'the range of service addresses is used by nothing else',
  scope: 'host',
  operations: ['install', 'join'],
  judge({ facts }, context) {
    const range = context.serviceRange;
    const found: Finding[] = facts.network.routes
      .filter((r) => !r.destination.endsWith('/0') && overlaps(r.destination, range))
      .map((r) => ({
        severity: 'fail',
        message: `The range of service addresses ${range} overlaps the route to ${r.destination} over ${r.device}.`,
        remedy: 'Choose another by `network.serviceRange` in cluster.yaml.',
      }));
    for (const server of facts.network.nameservers) {
      if (overlaps(server, range)) {
        found.push({
          severity: 'fail',
          message: `The DNS server ${server} lies in the range of service addresses ${range}.`,
          remedy: 'Choose another by `network.serviceRange` in cluster.yaml.',
        });
      }
    }
    return found;
  },
};
