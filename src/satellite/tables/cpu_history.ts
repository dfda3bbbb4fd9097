import { historyTable } from '../table.ts';

export const table = historyTable({
  name: 'cpu_history',
  description:
    'What all processors together did, one row for each sample (every 10 s): shares of the time since the sample ' +
    'before',
  columns: [
    {
      name: 'busy_percent',
      type: 'real',
      description: 'share of the time that was not idle, of all processors together: 0 to 100',
    },
    { name: 'user_percent', type: 'real', description: 'in user mode, at low priority too' },
    { name: 'system_percent', type: 'real', description: 'in the kernel, interrupts included' },
    { name: 'iowait_percent', type: 'real', description: 'idle while a disk was waited for; counts as idle' },
    { name: 'steal_percent', type: 'real', description: 'given to other machines by the hypervisor' },
    { name: 'load_1m', type: 'real', description: 'load average over one minute' },
  ],
});
