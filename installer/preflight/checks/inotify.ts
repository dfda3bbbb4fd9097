import type { HostCheck } from '../check.ts';

export const check: HostCheck = {
  code: 'inotify',
  title: 'enough files can be watched',
  scope: 'host',
  operations: ['install', 'join', 'upgrade'],
  judge({ facts }) {
    const instances = Number(facts.limits.sysctl['fs.inotify.max_user_instances'] ?? 0);
    const watches = Number(facts.limits.sysctl['fs.inotify.max_user_watches'] ?? 0);
    if (instances >= 1024 && watches >= 65_536) return [];
    const severity = instances < 64 || watches < 8192 ? 'fail' : 'warn';
    return [{ severity, message: `${instances} watchers and ${watches} watches of files are allowed; 1024 and 65536 are advised (many pods end in "too many open files").`, remedy: 'Run `terrarium preflight --fix`, or set fs.inotify.max_user_instances and max_user_watches in /etc/sysctl.d.', fixable: 'inotify' }];
  },
};
