import { DISK, LOG, type Case, type Change } from './preflight.ts';

const GIB = 2 ** 30;
const POOL = { name: 'vg-pool-tpool', mode: 'rw', dataUsed: 0.5, metadataUsed: 0.1, freeBytes: 100 * GIB };

/** Checks of disks and file systems. */
export const STORAGE_CASES: Record<string, Case> = {
  'disk-errors': {
    good: { kernelLog: LOG, 'storage.disks': [DISK] },
    bad: [
      [
        { kernelLog: { ...LOG, diskErrors: ['I/O error, dev sda, sector 2048 op 0x1:(WRITE)'], diskErrorCount: 12 } },
        'warn',
        /has 12 errors .* the last: I\/O error, dev sda/,
      ],
      [{ 'storage.disks': [{ ...DISK, ext4Errors: 2 }] }, 'warn', /\/ \(dm-0\) has recorded 2 errors/],
    ],
  },
  'disk-quota': {
    good: { 'storage.disks': [DISK] },
    bad: [[{ 'storage.disks': [{ ...DISK, quotas: ['usrquota', 'grpquota'] }] }, 'warn', /usrquota and grpquota/]],
  },
  'thin-pool': {
    good: { 'storage.disks': [{ ...DISK, thinPool: POOL }], ...disks({ freeBytes: 20 * GIB, sizeBytes: 60 * GIB }) },
    bad: [
      [
        { 'storage.disks': [{ ...DISK, thinPool: { ...POOL, mode: 'out_of_data_space' } }] },
        'warn',
        /vg-pool-tpool, which is in the state out_of_data_space/,
      ],
      [{ 'storage.disks': [{ ...DISK, thinPool: { ...POOL, dataUsed: 0.9 } }] }, 'warn', /is 90 % full/],
      [{ 'storage.disks': [{ ...DISK, thinPool: { ...POOL, metadataUsed: 0.95 } }] }, 'warn', /95 % of its metadata/],
      [
        { 'storage.disks': [{ ...DISK, thinPool: { ...POOL, freeBytes: 10 * GIB } }] },
        'warn',
        /10\.0 GiB left though the file system shows 20\.0 GiB free/,
      ],
    ],
  },
  'log-limits': {
    good: {
      logs: { journalOnDisk: true, journalMaxBytes: GIB, syslog: 'rsyslogd', rotated: true },
      'storage.logs.sizeBytes': 40 * GIB,
    },
    bad: [
      [{ 'logs.journalMaxBytes': 10 * GIB }, 'warn', /may grow to 10\.0 GiB, 25 %/],
      [{ 'logs.journalMaxBytes': 50 * GIB }, 'warn', /50\.0 GiB, all of/],
      [{ 'logs.rotated': false }, 'warn', /rsyslogd writes/],
    ],
  },
  'mount-noexec': {
    good: { 'storage.data.execOk': true, 'storage.prefix.execOk': true, 'storage.kubelet.execOk': true },
    bad: [
      [
        {
          'storage.data.execOk': false,
          'storage.data.mountOptions': ['rw', 'noexec'],
          'storage.data.mountPoint': '/var',
        },
        'fail',
        /\/var \(.*\) is mounted noexec/,
      ],
      [{ 'storage.prefix.execOk': false, 'storage.prefix.execError': 'EPERM' }, 'fail', /\/opt\/terrarium: .*EPERM/],
    ],
  },
  'not-writable': {
    good: { 'storage.data.execOk': true, 'storage.prefix.execOk': true, 'storage.kubelet.execOk': true },
    bad: [
      [{ 'storage.data.execOk': null, 'storage.data.execError': 'ENOSPC' }, 'fail', /disk is full/],
      [{ 'storage.prefix.execOk': null, 'storage.prefix.execError': 'EROFS' }, 'fail', /read-only/],
    ],
  },
  'mount-options': {
    good: { 'storage.data.mountOptions': ['rw'] },
    bad: [[{ 'storage.data.mountOptions': ['rw', 'nosuid', 'nodev'] }, 'warn', /nosuid and nodev/]],
  },
  'parents-searchable': {
    good: { 'storage.data.unsearchable': null, 'storage.prefix.unsearchable': null },
    bad: [[{ 'storage.data.unsearchable': '/var/lib' }, 'fail', /\/var\/lib lets/]],
  },
  'data-link': { bad: [[{ 'storage.data.linkTo': '/mnt/big' }, 'fail', /\/mnt\/big/]] },
  filesystem: {
    good: {
      'storage.data.filesystem': 'ext4',
      'storage.prefix.filesystem': 'ext4',
      'storage.kubelet.filesystem': 'xfs',
    },
    bad: [
      [{ 'storage.prefix.filesystem': 'nfs4' }, 'fail', /nfs4/],
      [
        { 'storage.kubelet.mountPoint': '/k', 'storage.disks': [{ ...DISK, mountPoint: '/k', xfsFtype: false }] },
        'fail',
        /kubelet lies on XFS .*ftype=0/,
      ],
      [{ 'storage.prefix.filesystem': 'btrfs' }, 'warn', /btrfs/],
      [{ 'storage.prefix.filesystem': 'fuse.sshfs' }, 'fail', /fuse\.sshfs/],
    ],
  },
  'free-space': {
    good: { 'own.node': null, ...disks({ freeBytes: 50 * GIB, sizeBytes: 60 * GIB }) },
    bad: [
      [disks({ freeBytes: 4 * GIB, sizeBytes: 60 * GIB }), 'fail', /4\.0 GiB free; .* need 4\.5 GiB/],
      [disks({ freeBytes: 8 * GIB, sizeBytes: 60 * GIB }), 'warn', /% full/],
      [
        {
          ...disks({ freeBytes: 50 * GIB, sizeBytes: 60 * GIB }),
          'storage.data.mountPoint': '/var',
          'storage.data.freeBytes': GIB,
        },
        'fail',
        /\/var has 1\.0 GiB/,
      ],
    ],
  },
  'disk-size': {
    good: { 'storage.data.sizeBytes': 100 * GIB },
    bad: [[{ 'storage.data.sizeBytes': 20 * GIB }, 'warn', /20\.0 GiB/]],
  },
  inodes: {
    good: { 'storage.data.inodes': 1000, 'storage.data.freeInodes': 500 },
    bad: [[{ 'storage.data.freeInodes': 50 }, 'fail', /50 of 1000/]],
  },
  'fsync-latency': {
    good: { 'storage.fsync': { samples: 100, p50Ms: 1, p99Ms: 3 } },
    bad: [
      [{ 'storage.fsync.p99Ms': 40 }, 'warn', /40 ms/],
      [{ 'storage.fsync.p99Ms': 300 }, 'warn', /300 ms/],
      [{ 'storage.fsync': { samples: 20, p50Ms: 60, p99Ms: 300 } }, 'fail', /300 ms/],
    ],
  },
  'write-speed': { good: { 'storage.writeMBs': 100 }, bad: [[{ 'storage.writeMBs': 3 }, 'fail', /3 MB\/s/]] },
};

/** Facts of all three folders: all of them lie on one disk. */
function disks(values: { freeBytes: number; sizeBytes: number }): Change {
  return Object.fromEntries(
    ['prefix', 'data', 'kubelet'].flatMap((f) =>
      Object.entries({ mountPoint: '/', ...values }).map(([k, v]) => [`storage.${f}.${k}`, v] as const),
    ),
  );
}
