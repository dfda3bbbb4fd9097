import type { HostCheck } from '../check.ts';

export const check: HostCheck = {
  code: 'kernel-version',
  title: 'the kernel is new enough',
  scope: 'host',
  operations: ['install', 'join', 'upgrade'],
  judge({ facts }) {
    const [major = 0, minor = 0] = facts.os.kernel.split('.').map(Number.parseFloat);
    const version = major * 1000 + minor;
    if (version < 5010) {
      return [
        {
          severity: 'fail',
          message: `The kernel is ${facts.os.kernel}; 5.10 is needed.`,
          remedy: 'Upgrade the operating system.',
        },
      ];
    }
    if (version < 5015 && facts.cgroup.hierarchy === 'hybrid') {
      return [
        {
          severity: 'fail',
          message: `The kernel is ${facts.os.kernel} with hybrid control groups; that needs 5.15.`,
          remedy: 'Boot with systemd.unified_cgroup_hierarchy=1, or upgrade the operating system.',
        },
      ];
    }
    return [];
  },
};
