import type { Finding, HostCheck } from '../check.ts';
import { gib, list } from '../format.ts';

const GIB = 2 ** 30;

export const check: HostCheck = {
  code: 'free-space',
  title: 'there is enough space',
  scope: 'host',
  operations: ['install', 'join'],
  judge({ facts, role }) {
    const { prefix, data, kubelet } = facts.storage;
    const parts = [
      { folder: data, bytes: role === 'control-plane' ? 3.5 * GIB : 2.5 * GIB },
      { folder: prefix, bytes: 0.7 * GIB },
      { folder: kubelet, bytes: 0.3 * GIB },
    ];
    // Folders on the same file system need the sum.
    const mounts = Map.groupBy(parts, (p) => p.folder.mountPoint);
    return [...mounts].flatMap(([mountPoint, members]): Finding[] => {
      const needed = members.reduce((sum, m) => sum + m.bytes, 0);
      const folder = members[0]?.folder ?? data;
      const what = list(members.map((m) => m.folder.path));
      if (facts.own.node?.state === 'installed') {
        return [];
      }
      if (folder.freeBytes < needed && facts.own.node === null) {
        return [
          {
            severity: 'fail',
            message: `${mountPoint} has ${gib(folder.freeBytes)} free; ${what} need ${gib(needed)} while installing.`,
            remedy:
              `Free ${gib(needed - folder.freeBytes)} there, or choose another folder by ` +
              `\`paths:\` in cluster.yaml.`,
          },
        ];
      }
      const after = 1 - (folder.freeBytes - needed) / Math.max(folder.sizeBytes, 1);
      if (after > 0.8) {
        return [
          {
            severity: 'warn',
            message:
              `${mountPoint} will be ${Math.round(after * 100)} % full after the install; above 85 % Kubernetes ` +
              'stops taking applications.',
            remedy: 'Enlarge the file system or free some space.',
          },
        ];
      }
      return [];
    });
  },
};
