import { historyTable } from '../table.ts';

export const table = historyTable({
  name: 'memory_history',
  description: "The machine's memory, one row for each sample (every 10 s)",
  columns: [
    { name: 'total_bytes', type: 'integer', description: 'memory that the kernel has' },
    { name: 'available_bytes', type: 'integer', description: 'what programs could still get without swapping' },
    { name: 'free_bytes', type: 'integer', description: 'memory used for nothing at all' },
    { name: 'cached_bytes', type: 'integer', description: 'page cache' },
    { name: 'swap_used_bytes', type: 'integer', description: 'swap space in use' },
  ],
});
