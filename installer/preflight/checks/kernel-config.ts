import type { HostCheck } from '../check.ts';
import { list } from '../format.ts';

const NEEDED = [
  'NAMESPACES',
  'NET_NS',
  'PID_NS',
  'IPC_NS',
  'UTS_NS',
  'CGROUPS',
  'CGROUP_PIDS',
  'MEMCG',
  'CPUSETS',
  'CGROUP_SCHED',
  'FAIR_GROUP_SCHED',
  'CFS_BANDWIDTH',
  'OVERLAY_FS',
  'SECCOMP_FILTER',
  'INOTIFY_USER',
  'EPOLL',
  'UNIX',
  'INET',
  'TMPFS',
];

export const check: HostCheck = {
  code: 'kernel-config',
  title: 'the kernel is built with what containers need',
  scope: 'host',
  operations: ['install', 'join', 'upgrade'],
  judge({ facts }) {
    const missing = Object.entries(facts.kernel.config ?? {})
      .filter(([name, value]) => value === 'n' && NEEDED.includes(name))
      .map(([name]) => `CONFIG_${name}`);
    if (missing.length === 0) {
      return [];
    }
    return [
      {
        severity: 'fail',
        message: `The kernel is built without ${list(missing)}.`,
        remedy: 'Boot the standard kernel of the distribution.',
      },
    ];
  },
};
