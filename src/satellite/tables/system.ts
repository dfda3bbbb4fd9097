import { readdirSync } from 'node:fs';
import { bootTime, isoSeconds, readMaybe } from '../procfs.ts';
import type { LiveTable } from '../table.ts';

export const table: LiveTable = {
  kind: 'live',
  name: 'system',
  description: 'The machine itself, one row',
  columns: [
    { name: 'hostname', type: 'text', description: 'host name' },
    { name: 'kernel', type: 'text', description: 'release of the Linux kernel' },
    { name: 'architecture', type: 'text', description: 'processor architecture, in the words of Node.js (x64, arm64)' },
    { name: 'cpus', type: 'integer', description: 'number of logical processors' },
    { name: 'processes', type: 'integer', description: 'number of processes' },
    { name: 'booted_at', type: 'text', description: 'UTC time of the last start' },
    { name: 'uptime_s', type: 'integer', description: 'seconds since the last start' },
    { name: 'load_1m', type: 'real', description: 'load average over one minute' },
    { name: 'load_5m', type: 'real', description: 'load average over five minutes' },
    { name: 'load_15m', type: 'real', description: 'load average over a quarter of an hour' },
  ],
  *rows({ proc }) {
    const boot = bootTime(proc);
    const load = (readMaybe(proc, 'loadavg') ?? '').split(' ').map(Number);
    yield {
      hostname: readMaybe(proc, 'sys/kernel/hostname')?.trim() ?? null,
      kernel: readMaybe(proc, 'sys/kernel/osrelease')?.trim() ?? null,
      architecture: process.arch,
      cpus: (readMaybe(proc, 'stat') ?? '').match(/^cpu\d+ /gm)?.length ?? null,
      processes: readdirSync(proc).filter((name) => /^\d+$/.test(name)).length,
      booted_at: boot === null ? null : isoSeconds(boot),
      uptime_s: Math.floor(Number((readMaybe(proc, 'uptime') ?? '').split(' ')[0])),
      load_1m: load[0] ?? null,
      load_5m: load[1] ?? null,
      load_15m: load[2] ?? null,
    };
  },
};
