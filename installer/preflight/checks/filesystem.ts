import type { Finding, HostCheck } from '../check.ts';

const PROVEN = ['ext4', 'xfs'];
const UNFIT = [
  'nfs',
  'nfs4',
  'cifs',
  'smb3',
  'overlay',
  'tmpfs',
  'ramfs',
  '9p',
  'vfat',
  'exfat',
  'fuse',
  'fuseblk',
  'squashfs',
  'aufs',
  'ecryptfs',
];

export const check: HostCheck = {
  code: 'filesystem',
  title: 'the file systems are of a kind that works',
  scope: 'host',
  operations: ['install', 'join', 'upgrade'],
  judge({ facts }) {
    const typeless = facts.storage.disks.filter((d) => d.xfsFtype === false).map((d) => d.mountPoint);
    return [facts.storage.prefix, facts.storage.data, facts.storage.kubelet].flatMap((f, i, all): Finding[] => {
      if (all.findIndex((o) => o.mountPoint === f.mountPoint) !== i) {
        return [];
      }
      if (UNFIT.some((u) => f.filesystem === u || f.filesystem.startsWith(`${u}.`))) {
        return [
          {
            severity: 'fail',
            message:
              `${f.path} lies on ${f.filesystem} (${f.mountPoint}), which cannot hold containers and databases ` +
              'safely.',
            remedy: 'Use a local disk with ext4 or XFS, or choose another folder by `paths:` in cluster.yaml.',
          },
        ];
      }
      if (typeless.includes(f.mountPoint)) {
        return [
          {
            severity: 'fail',
            message:
              `${f.path} lies on XFS without types of files in its folders (ftype=0, ${f.mountPoint}), on which ` +
              'containers lose files.',
            remedy:
              'Make the file system anew (mkfs.xfs sets ftype=1), or choose another folder by `paths:` in ' +
              'cluster.yaml.',
          },
        ];
      }
      if (PROVEN.includes(f.filesystem)) {
        return [];
      }
      return [
        {
          severity: 'warn',
          message: `${f.path} lies on ${f.filesystem}; tested are ext4 and XFS.`,
          remedy: 'Prefer ext4 or XFS.',
        },
      ];
    });
  },
};
