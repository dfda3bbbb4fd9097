import type { HostCheck } from '../check.ts';
import { NEEDED_SYSCTLS } from '../needed-sysctls.ts';

export const check: HostCheck = {
  code: 'inotify',
  title: 'enough files can be watched',
  scope: 'host',
  operations: ['install', 'join', 'upgrade'],
  judge({ facts }) {
    const instances = Number(facts.limits.sysctl['fs.inotify.max_user_instances'] ?? 0);
    const watches = Number(facts.limits.sysctl['fs.inotify.max_user_watches'] ?? 0);
    const needed = {
      instances: NEEDED_SYSCTLS['fs.inotify.max_user_instances'],
      watches: NEEDED_SYSCTLS['fs.inotify.max_user_watches'],
    };
    if (instances >= needed.instances && watches >= needed.watches) {
      return [];
    }
    const severity = instances < 64 || watches < 8192 ? 'fail' : 'warn';
    return [
      {
        severity,
        message:
          `${instances} watchers and ${watches} watches of files are allowed; ${needed.instances} and ` +
          `${needed.watches} are advised (many pods end in "too many open files").`,
        remedy:
          'Run `terrarium preflight --fix`, or set fs.inotify.max_user_instances and max_user_watches in ' +
          '/etc/sysctl.d.',
        fixable: 'inotify',
      },
    ];
  },
};
