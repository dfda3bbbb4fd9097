import { keyValues, kilobytes, readMaybe } from '../procfs.ts';
import type { LiveTable } from '../table.ts';

export const table: LiveTable = {
  kind: 'live',
  name: 'memory',
  description: "The machine's memory, one row",
  columns: [
    { name: 'total_bytes', type: 'integer', description: 'memory that the kernel has' },
    { name: 'available_bytes', type: 'integer', description: 'what programs can still get without swapping' },
    { name: 'free_bytes', type: 'integer', description: 'memory used for nothing at all' },
    { name: 'buffers_bytes', type: 'integer', description: 'buffers of block devices' },
    { name: 'cached_bytes', type: 'integer', description: 'page cache' },
    { name: 'swap_total_bytes', type: 'integer', description: 'swap space; 0 without swap' },
    { name: 'swap_free_bytes', type: 'integer', description: 'swap space not used' },
  ],
  *rows({ proc }) {
    const keys = keyValues(readMaybe(proc, 'meminfo') ?? '');
    const bytes = (key: string): number | null => kilobytes(keys.get(key));
    yield {
      total_bytes: bytes('MemTotal'),
      available_bytes: bytes('MemAvailable'),
      free_bytes: bytes('MemFree'),
      buffers_bytes: bytes('Buffers'),
      cached_bytes: bytes('Cached'),
      swap_total_bytes: bytes('SwapTotal'),
      swap_free_bytes: bytes('SwapFree'),
    };
  },
};
