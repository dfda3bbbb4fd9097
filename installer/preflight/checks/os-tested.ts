import type { HostCheck } from '../check.ts';

const TESTED = ['debian 12'];

export const check: HostCheck = {
  code: 'os-tested',
  title: 'the operating system is one that was tested',
  scope: 'host',
  operations: ['install', 'join'],
  judge({ facts }) {
    if (TESTED.includes(`${facts.os.id} ${facts.os.version}`)) {
      return [];
    }
    return [
      {
        severity: 'warn',
        message: `${facts.os.prettyName} has not been tested; tested: Debian 12.`,
        remedy: 'Go on if the other checks pass, and try it on a spare machine first.',
      },
    ];
  },
};
