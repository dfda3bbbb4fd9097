import type { HostCheck } from '../check.ts';
import { list } from '../format.ts';

export const check: HostCheck = {
  code: 'proxy',
  title: 'no proxy stands between the machines',
  scope: 'host',
  operations: ['install', 'join', 'upgrade'],
  judge({ facts }) {
    const { proxies } = facts.limits;
    if (proxies.length === 0) {
      return [];
    }
    return [
      {
        severity: 'warn',
        message:
          `A proxy is set (${list(proxies.map((p) => `${p.variable} in ${p.where}`))}); the cluster needs none and ` +
          'passes it on to nothing of its own.',
        remedy: 'See that NO_PROXY names the addresses of all nodes for your own tools.',
      },
    ];
  },
};
