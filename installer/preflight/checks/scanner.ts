import type { HostCheck } from '../check.ts';
import { list } from '../format.ts';

export const check: HostCheck = {
  code: 'scanner',
  title: 'no virus scanner looks into every container file',
  scope: 'host',
  operations: ['install', 'join', 'upgrade'],
  judge({ facts }, context) {
    const { scanners } = facts.security;
    if (scanners.length === 0) {
      return [];
    }
    return [
      {
        severity: 'warn',
        message: `A scanner runs (${list(scanners)}): it slows the start of containers down and may hold files.`,
        remedy: `Exclude ${context.data} and ${context.prefix} from scanning on access.`,
      },
    ];
  },
};
