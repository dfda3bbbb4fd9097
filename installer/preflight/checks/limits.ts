import type { Finding, HostCheck } from '../check.ts';

export const check: HostCheck = {
  code: 'limits',
  title: 'enough files, processes and mappings are allowed',
  scope: 'host',
  operations: ['install', 'join', 'upgrade'],
  judge({ facts }) {
    const found: Finding[] = [];
    if (facts.limits.openFilesHard < 65_536) found.push({ severity: 'warn', message: `${facts.limits.openFilesHard} open files are allowed at most; 65536 are advised.`, remedy: 'Raise DefaultLimitNOFILE in /etc/systemd/system.conf.' });
    const pids = Number(facts.limits.sysctl['kernel.pid_max'] ?? 0);
    if (pids < 32_768) found.push({ severity: 'warn', message: `${pids} processes are allowed at most; 32768 are advised.`, remedy: 'Set kernel.pid_max in /etc/sysctl.d.' });
    const maps = Number(facts.limits.sysctl['vm.max_map_count'] ?? 0);
    if (maps < 65_530) found.push({ severity: 'warn', message: `${maps} memory mappings are allowed for a process; 262144 are advised, some databases demand it.`, remedy: 'Run `terrarium preflight --fix`, or set vm.max_map_count in /etc/sysctl.d.', fixable: 'map-count' });
    return found;
  },
};
