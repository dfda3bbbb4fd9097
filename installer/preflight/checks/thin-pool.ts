import type { HostCheck } from '../check.ts';
import { gib } from '../format.ts';

const FULL = 0.8;

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
      const percent = (share: number): string => `${Math.round(share * 100)} %`;
      const what =
        pool.mode !== 'rw'
          ? `is in the state ${pool.mode}`
          : pool.metadataUsed > FULL
            ? `has used ${percent(pool.metadataUsed)} of its metadata`
            : pool.dataUsed > FULL
              ? `is ${percent(pool.dataUsed)} full`
              : pool.freeBytes < free
                ? `has ${gib(pool.freeBytes)} left though the file system shows ${gib(free)} free`
                : undefined;
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
