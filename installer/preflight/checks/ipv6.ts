import type { HostCheck } from '../check.ts';

export const check: HostCheck = {
  code: 'ipv6',
  title: 'IPv6 is there where it is used',
  scope: 'host',
  operations: ['install', 'join', 'upgrade'],
  judge({ facts }, context) {
    if (facts.kernel.ipv6 && facts.limits.sysctl['net.ipv6.conf.all.disable_ipv6'] !== '1') {
      return [];
    }
    if (context.family === 6) {
      return [
        {
          severity: 'fail',
          message: 'IPv6 is switched off in the kernel, but the cluster has IPv6 addresses.',
          remedy:
            'Remove ipv6.disable=1 from the kernel command line and net.ipv6.conf.all.disable_ipv6 from /etc/sysctl.d.',
        },
      ];
    }
    return [{ severity: 'info', message: 'IPv6 is switched off; the cluster does without.' }];
  },
};
