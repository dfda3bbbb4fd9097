import type { HostCheck } from '../check.ts';

export const check: HostCheck = {
  code: 'fsync-latency',
  title: 'the disk confirms writes quickly',
  scope: 'host',
  operations: ['install', 'join'],
  judge({ facts, role }) {
    const { fsync, data } = facts.storage;
    if (role !== 'control-plane' || fsync === null || fsync.p99Ms <= 10) {
      return [];
    }
    const message =
      `The disk of ${data.mountPoint} takes ${fsync.p99Ms} ms (99th percentile of ${fsync.samples}) to confirm a ` +
      `small write, ${fsync.p50Ms} ms in the middle`;
    // A single spike on a busy machine is no slow disk.
    if (fsync.p99Ms <= 150 || fsync.p50Ms <= 25) {
      return [
        {
          severity: 'warn',
          message: `${message}; 10 ms are advised for a control plane.`,
          remedy: 'Prefer an SSD, not shared with other load.',
        },
      ];
    }
    return [
      {
        severity: 'fail',
        message: `${message}; etcd loses its leader above 150 ms.`,
        remedy: 'Use an SSD, or a disk not shared with other load.',
      },
    ];
  },
};
