import type { ClusterCheck } from '../check.ts';
import { list } from '../format.ts';
import { twins } from '../twins.ts';

export const check: ClusterCheck = {
  code: 'duplicate-host-key',
  title: 'each machine has ssh keys of its own',
  scope: 'cluster',
  operations: ['install', 'join'],
  judge(members) {
    return twins(members, (m) => m.facts.os.sshHostKeys[0] ?? '').map(([value, same]) => ({
      severity: 'warn' as const,
      message:
        `${list(same.map((m) => m.name))} show the same ssh host key ` + `(${value.split(' ')[0]}): they were cloned.`,
      remedy: 'On all but one remove /etc/ssh/ssh_host_* and run `ssh-keygen -A`.',
    }));
  },
};
