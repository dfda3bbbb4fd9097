import { historyTable } from '../table.ts';

export const table = historyTable({
  name: 'container_logs',
  description:
    'What the containers of this node wrote, one row for each line; the newest lines, within a limit of age and size',
  columns: [
    { name: 'namespace', type: 'text', description: "the pod's namespace" },
    { name: 'pod', type: 'text', description: "the pod's name" },
    { name: 'container', type: 'text', description: "the container's name" },
    { name: 'restart', type: 'integer', description: 'how often the container had been restarted' },
    {
      name: 'stream',
      type: 'text',
      description:
        'stdout or stderr; skipped: the message says how much was left out because the container wrote too fast',
    },
    { name: 'message', type: 'text', description: 'the line; one longer than 64 KiB is cut' },
  ],
});
