import type { HostCheck } from '../check.ts';
import { gib } from '../format.ts';

/** What a kernel keeps for itself of the memory that a machine is said to have. */
const RESERVE = 150 * 2 ** 20;
const NEEDED = 1.7e9;
const ADVISED = 3.7 * 2 ** 30;

export const check: HostCheck = {
  code: 'memory',
  title: 'there is enough memory',
  scope: 'host',
  operations: ['install', 'join'],
  judge({ facts }) {
    const usable = facts.memory.totalBytes - RESERVE;
    if (usable >= ADVISED) {
      return [];
    }
    if (usable >= NEEDED) {
      return [
        {
          severity: 'warn',
          message: `There are ${gib(facts.memory.totalBytes)} of memory; 4 GiB are advised.`,
          remedy: 'Give the machine more memory before it carries real load.',
        },
      ];
    }
    return [
      {
        severity: 'fail',
        message: `There are ${gib(facts.memory.totalBytes)} of memory; 2 GiB are needed.`,
        remedy: 'Give the machine at least 2 GiB of memory.',
      },
    ];
  },
};
