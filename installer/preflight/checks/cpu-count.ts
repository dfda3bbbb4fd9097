import type { HostCheck } from '../check.ts';

export const check: HostCheck = {
  code: 'cpu-count',
  title: 'there are enough processors',
  scope: 'host',
  operations: ['install', 'join'],
  judge({ facts }) {
    const { count } = facts.cpu;
    if (count >= 4) {
      return [];
    }
    if (count >= 2) {
      return [
        {
          severity: 'warn',
          message: `There are ${count} processors; 4 are advised.`,
          remedy: 'Give the machine more processors before it carries real load.',
        },
      ];
    }
    return [
      {
        severity: 'fail',
        message: `There is ${count} processor; 2 are needed.`,
        remedy: 'Give the machine at least 2 processors.',
      },
    ];
  },
};
