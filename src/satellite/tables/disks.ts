import { statSync, statfsSync } from 'node:fs';
import { readMaybe } from '../procfs.ts';
import type { LiveTable, Row } from '../table.ts';

/** File systems that hold no data of their own and would only bury the others. */
const PSEUDO = new Set(
  (
    'autofs binfmt_misc bpf cgroup cgroup2 configfs debugfs devpts devtmpfs efivarfs fusectl hugetlbfs mqueue nsfs ' +
    'proc pstore ramfs rpc_pipefs securityfs selinuxfs sysfs tracefs'
  ).split(' '),
);
/** statfs on a server that is gone hangs for good. */
const REMOTE = new Set('nfs nfs4 cifs smb3 9p ceph fuse.sshfs fuse.glusterfs'.split(' '));

interface Mount {
  device: string;
  mountPoint: string;
  type: string;
  source: string;
  options: string;
}

function unescape(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

/** proc_pid_mountinfo(5): id parent major:minor root mountpoint options [tags…] - type source superoptions */
function parseMounts(text: string): Mount[] {
  return text
    .split('\n')
    .filter((line) => line.includes(' - '))
    .map((line): Mount => {
      const [left, right] = line.split(' - ') as [string, string];
      const [, , device = '', , mountPoint = '', options = ''] = left.split(' ');
      const [type = '', source = ''] = right.split(' ');
      return { device, mountPoint: unescape(mountPoint), type, source: unescape(source), options };
    });
}

function deviceName(dev: number): string {
  return `${(dev >>> 8) & 0xfff}:${(dev & 0xff) | ((dev >>> 12) & 0xfff00)}`;
}

type Sizes = Pick<Row, 'size_bytes' | 'used_bytes' | 'available_bytes' | 'inodes' | 'inodes_free'>;

const UNKNOWN: Sizes = { size_bytes: null, used_bytes: null, available_bytes: null, inodes: null, inodes_free: null };

/**
 * Sizes, by any path of this process that lies on that file system. In a pod the mount point itself is not to be seen,
 * but what the kubelet mounts into it (hosts, tls) lies on the machine's own file systems.
 */
function sizes(mount: Mount, paths: string[]): Sizes {
  if (REMOTE.has(mount.type)) {
    return UNKNOWN;
  }
  for (const path of paths) {
    try {
      if (deviceName(statSync(path).dev) !== mount.device) {
        continue;
      }
      const fs = statfsSync(path);
      return {
        size_bytes: fs.blocks * fs.bsize,
        used_bytes: (fs.blocks - fs.bfree) * fs.bsize,
        available_bytes: fs.bavail * fs.bsize,
        inodes: fs.files,
        inodes_free: fs.ffree,
      };
    } catch {
      // Not to be seen from here, or not by us.
    }
  }
  return UNKNOWN;
}

export const table: LiveTable = {
  kind: 'live',
  name: 'disks',
  description: 'Mounted file systems that hold data, one row for each mount point',
  columns: [
    { name: 'mount_point', type: 'text', description: 'where it is mounted' },
    { name: 'device', type: 'text', description: 'what is mounted: a block device, a server, or a name' },
    { name: 'type', type: 'text', description: 'kind of file system' },
    { name: 'read_only', type: 'integer', description: '1 if it is mounted read-only' },
    { name: 'size_bytes', type: 'integer', description: 'size; null if it cannot be seen from here' },
    { name: 'used_bytes', type: 'integer', description: 'bytes in use' },
    { name: 'available_bytes', type: 'integer', description: 'bytes that programs without privileges can still write' },
    { name: 'inodes', type: 'integer', description: 'number of files that it can hold' },
    { name: 'inodes_free', type: 'integer', description: 'number of files that it can still take' },
  ],
  *rows({ proc, root }) {
    const own = parseMounts(readMaybe('/proc/self/mountinfo') ?? '');
    for (const mount of parseMounts(readMaybe(proc, '1/mountinfo') ?? readMaybe(proc, 'self/mountinfo') ?? '')) {
      if (PSEUDO.has(mount.type)) {
        continue;
      }
      yield {
        mount_point: mount.mountPoint,
        device: mount.source,
        type: mount.type,
        read_only: mount.options.split(',').includes('ro') ? 1 : 0,
        ...sizes(mount, [
          `${root}${mount.mountPoint}`,
          ...own.filter((m) => m.device === mount.device).map((m) => m.mountPoint),
        ]),
      };
    }
  },
};
