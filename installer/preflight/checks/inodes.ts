import type { HostCheck } from '../check.ts';

export const check: HostCheck = {
  code: 'inodes',
  title: 'there is room for many small files',
  scope: 'host',
  operations: ['install', 'join'],
  judge({ facts }) {
    const { data } = facts.storage;
    // btrfs and others count none.
    if (data.inodes === 0 || data.freeInodes / data.inodes >= 0.1) {
      return [];
    }
    return [
      {
        severity: 'fail',
        message: `${data.mountPoint} has ${data.freeInodes} of ${data.inodes} inodes left; a tenth is needed.`,
        remedy: 'Remove small files there, or make the file system anew with more inodes.',
      },
    ];
  },
};
