import type { HostCheck } from '../check.ts';
import type { ThinPool } from '../facts/disks.ts';
import { gib } from '../format.ts';

const FULL = 0.8;

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

/** @param free bytes that the file system on the pool shows as free */
function trouble(pool: ThinPool, free: number): string | undefined {
  if (pool.mode !== 'rw') {
    return `is in the state ${pool.mode}`;
  }
  if (pool.metadataUsed > FULL) {
    return `has used ${percent(pool.metadataUsed)} of its metadata`;
  }
  if (pool.dataUsed > FULL) {
    return `is ${percent(pool.dataUsed)} full`;
  }
  if (pool.freeBytes < free) {
    return `has ${gib(pool.freeBytes)} left though the file system shows ${gib(free)} free`;
  }
  return undefined;
}

export const check: HostCheck = {
  code: 'thin-pool',
  title: 'there are blocks behind the free space',
  scope: 'host',
  operations: ['install', 'join', 'upgrade'],
  judge({ facts }) {
    const { prefix, data, kubelet, disks } = facts.storage;
    return disks.flatMap((disk) => {
      const pool = disk.thinPool;
      if (pool === null) {
        return [];
      }
      const free = [data, prefix, kubelet].find((f) => f.mountPoint === disk.mountPoint)?.freeBytes ?? 0;
      const what = trouble(pool, free);
      return what === undefined
        ? []
        : [
            {
              severity: 'warn' as const,
              message:
                `${disk.mountPoint} lies on the thin pool ${pool.name}, which ${what}: writes will fail or hang when ` +
                'it is full.',
              remedy:
                'Extend the pool (`lvextend`), and have it extended by itself (`thin_pool_autoextend_threshold` in ' +
                'lvm.conf).',
            },
          ];
    });
  },
};
