import { historyTable } from '../table.ts';

export const table = historyTable({
  name: 'disk_history',
  description: 'How full the file systems on disks were, one row for each device and sample (every minute)',
  columns: [
    { name: 'mount_point', type: 'text', description: 'where it is mounted, the first place if there are several' },
    { name: 'device', type: 'text', description: 'what is mounted' },
    { name: 'size_bytes', type: 'integer', description: 'size' },
    { name: 'used_bytes', type: 'integer', description: 'bytes in use' },
    {
      name: 'available_bytes',
      type: 'integer',
      description: 'bytes that programs without privileges could still write',
    },
    { name: 'inodes_free', type: 'integer', description: 'number of files that it could still take' },
  ],
});
