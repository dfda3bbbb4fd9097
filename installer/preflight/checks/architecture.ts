import type { HostCheck } from '../check.ts';

export const check: HostCheck = {
  code: 'architecture',
  title: 'the processor is of the kind this build is for',
  scope: 'host',
  operations: ['install', 'join'],
  judge({ facts }) {
    if (facts.os.arch === 'x64') {
      return [];
    }
    return [
      {
        severity: 'fail',
        message: `The machine is ${facts.os.arch}, this build is for x86-64.`,
        remedy: 'Use an x86-64 machine.',
      },
    ];
  },
};
