import type { HostCheck } from '../check.ts';

export const check: HostCheck = {
  code: 'write-speed',
  title: 'the disk writes fast enough',
  scope: 'host',
  operations: ['install', 'join'],
  judge({ facts }) {
    const { writeMBs, data } = facts.storage;
    if (writeMBs === null || writeMBs >= 10) {
      return [];
    }
    return [
      {
        severity: 'fail',
        message: `The disk of ${data.mountPoint} writes ${writeMBs} MB/s; 10 are needed.`,
        remedy: 'Use a faster disk, or one not shared with other load.',
      },
    ];
  },
};
