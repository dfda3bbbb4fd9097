import type { Finding, HostCheck } from '../check.ts';
import { NEEDED_SYSCTLS } from '../needed-sysctls.ts';

export const check: HostCheck = {
  code: 'limits',
  title: 'enough files, processes and mappings are allowed',
  scope: 'host',
  operations: ['install', 'join', 'upgrade'],
  judge({ facts }) {
    const found: Finding[] = [];
    if (facts.limits.openFilesHard < 65_536) {
      found.push({
        severity: 'warn',
        message: `${facts.limits.openFilesHard} open files are allowed at most; 65536 are advised.`,
        remedy: 'Raise DefaultLimitNOFILE in /etc/systemd/system.conf.',
      });
    }
    const pids = Number(facts.limits.sysctl['kernel.pid_max'] ?? 0);
    if (pids < NEEDED_SYSCTLS['kernel.pid_max']) {
      found.push({
        severity: 'warn',
        message: `${pids} processes are allowed at most; ${NEEDED_SYSCTLS['kernel.pid_max']} are advised.`,
        remedy: 'Set kernel.pid_max in /etc/sysctl.d.',
      });
    }
    const maps = Number(facts.limits.sysctl['vm.max_map_count'] ?? 0);
    if (maps < NEEDED_SYSCTLS['vm.max_map_count']) {
      found.push({
        severity: 'warn',
        message: `${maps} memory mappings are allowed for a process; 262144 are advised, some databases demand it.`,
        remedy: 'Run `terrarium preflight --fix`, or set vm.max_map_count in /etc/sysctl.d.',
        fixable: 'map-count',
      });
    }
    return found;
  },
};
