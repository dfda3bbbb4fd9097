import type { HostCheck } from '../check.ts';
import { list } from '../format.ts';

export const check: HostCheck = {
  code: 'foreign-runtime',
  title: 'no other container runtime shares our paths',
  scope: 'host',
  operations: ['install', 'join'],
  judge({ facts }) {
    if (facts.own.node !== null) {
      return [];
    }
    const running = facts.foreign.processes.filter((p) =>
      ['containerd', 'dockerd', 'crio', 'cri-dockerd', 'nomad'].includes(p.name),
    );
    if (running.length > 0) {
      return [
        {
          severity: 'warn',
          message:
            'Another container runtime runs here: ' +
            `${list(running.map((p) => `${p.name} (pid ${p.pid}${p.unit === null ? '' : `, ${p.unit}`})`))}. Each ` +
            'keeps its state in folders of its own.',
          remedy: 'Remove it if nothing needs it.',
        },
      ];
    }
    const left = facts.foreign.paths.filter(
      (p) => !['/etc/kubernetes', '/var/lib/kubelet', '/var/lib/etcd', '/var/run/netns'].includes(p),
    );
    if (left.length === 0) {
      return [];
    }
    return [
      {
        severity: 'warn',
        message: `Another container runtime or network left ${list(left)} here.`,
        remedy: 'If nothing of it is needed any more, remove these folders.',
      },
    ];
  },
};
