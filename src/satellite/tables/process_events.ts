import { historyTable } from '../table.ts';

export const table = historyTable({
  name: 'process_events',
  description:
    'Starts and ends of processes, kernel threads aside. Seen by looking every 10 s: a process that lived shorter ' +
    'may be missed',
  columns: [
    { name: 'type', type: 'text', description: 'start or end; the time of an end is when it was noticed' },
    { name: 'pid', type: 'integer', description: 'process id' },
    { name: 'ppid', type: 'integer', description: 'process id of the parent' },
    { name: 'name', type: 'text', description: "the kernel's name of the process, at most 15 characters" },
    { name: 'cmdline', type: 'text', description: 'command line, its first 512 characters' },
    { name: 'uid', type: 'integer', description: 'user id that it runs as' },
  ],
});
