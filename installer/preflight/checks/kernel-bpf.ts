import type { HostCheck } from '../check.ts';
import { list } from '../format.ts';

export const check: HostCheck = {
  code: 'kernel-bpf',
  title: 'the kernel runs programs at its sockets',
  scope: 'host',
  operations: ['install', 'join', 'upgrade'],
  judge({ facts }) {
    const { config, btf, lockdown } = facts.kernel;
    const missing = Object.entries(config ?? {})
      .filter(([name, value]) => value === 'n' && ['BPF', 'BPF_SYSCALL', 'CGROUP_BPF'].includes(name))
      .map(([name]) => `CONFIG_${name}`);
    if (missing.length > 0) {
      return [
        {
          severity: 'warn',
          message: `The kernel is built without ${list(missing)}, which network policies will need.`,
          remedy: 'Boot the standard kernel of the distribution.',
        },
      ];
    }
    if (!btf) {
      return [
        {
          severity: 'warn',
          message:
            'The kernel does not describe its types (/sys/kernel/btf/vmlinux is missing), which network policies ' +
            'will need.',
          remedy: 'Boot the standard kernel of the distribution.',
        },
      ];
    }
    if (lockdown !== 'confidentiality') {
      return [];
    }
    return [
      {
        severity: 'warn',
        message: 'The kernel is locked down to "confidentiality", which forbids what network policies will need.',
        remedy: 'Set lockdown=integrity on the kernel command line.',
      },
    ];
  },
};
