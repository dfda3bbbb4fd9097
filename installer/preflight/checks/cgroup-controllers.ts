import type { HostCheck } from '../check.ts';
import { list } from '../format.ts';

const NEEDED = ['cpu', 'cpuset', 'memory', 'pids'];

export const check: HostCheck = {
  code: 'cgroup-controllers',
  title: 'processor, memory and process counts can be limited',
  scope: 'host',
  operations: ['install', 'join', 'upgrade'],
  judge({ facts }) {
    const { hierarchy, controllers } = facts.cgroup;
    const missing = NEEDED.filter((c) => !controllers.includes(c));
    if (missing.length > 0) {
      return [
        {
          severity: 'fail',
          message:
            `The control group ${missing.length === 1 ? 'controller' : 'controllers'} ${list(missing)} cannot be ` +
            'used.',
          remedy:
            'Remove cgroup_disable from the kernel command line; inside a container, delegate the controllers to it.',
        },
      ];
    }
    if (hierarchy === 'unified') {
      return [];
    }
    return [
      {
        severity: 'warn',
        message: `Control groups are ${hierarchy} (version 1 controllers), which Kubernetes is about to drop.`,
        remedy: 'Boot with systemd.unified_cgroup_hierarchy=1 when it suits.',
      },
    ];
  },
};
