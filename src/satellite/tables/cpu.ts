import { readMaybe, ticksToMs } from '../procfs.ts';
import type { LiveTable } from '../table.ts';

const COUNTERS = [
  'user_ms',
  'nice_ms',
  'system_ms',
  'idle_ms',
  'iowait_ms',
  'irq_ms',
  'softirq_ms',
  'steal_ms',
] as const;

const MEANING: Record<(typeof COUNTERS)[number], string> = {
  user_ms: 'time in user mode',
  nice_ms: 'time in user mode at low priority',
  system_ms: 'time in the kernel',
  idle_ms: 'time idle',
  iowait_ms: 'time idle while a disk was waited for',
  irq_ms: 'time in interrupts',
  softirq_ms: 'time in soft interrupts',
  steal_ms: 'time that the hypervisor gave to other machines',
};

export const table: LiveTable = {
  kind: 'live',
  name: 'cpu',
  description: 'Logical processors, one row each: counters since the start of the machine',
  columns: [
    { name: 'cpu', type: 'integer', description: 'number of the processor' },
    ...COUNTERS.map((name) => ({
      name,
      type: 'integer' as const,
      description: `${MEANING[name]} since the start of the machine`,
    })),
  ],
  *rows({ proc }) {
    for (const line of (readMaybe(proc, 'stat') ?? '').split('\n')) {
      const match = /^cpu(\d+) (.*)$/.exec(line);
      if (match === null) {
        continue;
      }
      const ticks = (match[2] ?? '').split(' ').map(Number);
      yield {
        cpu: Number(match[1]),
        ...Object.fromEntries(COUNTERS.map((name, i) => [name, ticksToMs(ticks[i] ?? 0)])),
      };
    }
  },
};
