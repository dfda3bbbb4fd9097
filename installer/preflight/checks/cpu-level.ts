import type { HostCheck } from '../check.ts';

export const check: HostCheck = {
  code: 'cpu-level',
  title: 'the processor has the instructions that are needed',
  scope: 'host',
  operations: ['install', 'join'],
  judge({ facts }) {
    const { level } = facts.cpu;
    if (level === null || level >= 2) {
      return [];
    }
    return [
      {
        severity: 'fail',
        message: `The processor offers x86-64-v${level} only; v2 is needed.`,
        remedy: 'Choose the CPU model "host" in the hypervisor, which hides instructions of the real processor.',
      },
    ];
  },
};
