import { readdirSync } from 'node:fs';
import { bootTime, isoSeconds, keyValues, kilobytes, readMaybe, ticksToMs } from '../procfs.ts';
import type { LiveTable, Row } from '../table.ts';

/**
 * Characters of a command line that are kept: one may have megabytes, and a statement over all processes is not to fail
 * for it.
 */
const MAX_CMDLINE = 32 * 1024;

/** The name stands in parentheses and may itself hold spaces and parentheses: fields are counted from the last one. */
function parseStat(stat: string): { name: string; fields: string[] } | undefined {
  const open = stat.indexOf('(');
  const close = stat.lastIndexOf(')');
  if (open < 0 || close < open) {
    return undefined;
  }
  return {
    name: stat.slice(open + 1, close),
    fields: stat
      .slice(close + 2)
      .trim()
      .split(' '),
  };
}

/** One process; undefined where it has just ended. @param boot the machine's start in Unix seconds */
export function processRow(proc: string, pid: string, boot: number | null): Row | undefined {
  const parsed = parseStat(readMaybe(proc, pid, 'stat') ?? '');
  const status = readMaybe(proc, pid, 'status');
  if (parsed === undefined || status === undefined) {
    return undefined;
  }
  // Numbered from field 3 (state) of proc_pid_stat(5).
  const field = (n: number): number => Number(parsed.fields[n - 3]);
  const keys = keyValues(status);
  const cmdline = readMaybe(proc, pid, 'cmdline') ?? '';
  return {
    pid: Number(pid),
    ppid: field(4),
    name: parsed.name,
    cmdline: cmdline.slice(0, MAX_CMDLINE).replaceAll('\0', ' ').trim(),
    state: parsed.fields[0] ?? null,
    uid: Number((keys.get('Uid') ?? '').split('\t')[0]),
    user_time_ms: ticksToMs(field(14)),
    system_time_ms: ticksToMs(field(15)),
    rss_bytes: kilobytes(keys.get('VmRSS')) ?? 0,
    threads: field(20),
    started_at: boot === null ? null : isoSeconds(boot + ticksToMs(field(22)) / 1000),
  };
}

export const table: LiveTable = {
  kind: 'live',
  name: 'processes',
  description: 'Running processes, one row each, kernel threads included',
  columns: [
    { name: 'pid', type: 'integer', description: 'process id' },
    { name: 'ppid', type: 'integer', description: 'process id of the parent' },
    { name: 'name', type: 'text', description: "the kernel's name of the process, at most 15 characters" },
    {
      name: 'cmdline',
      type: 'text',
      description: 'the command line, at most its first 32768 characters; empty for kernel threads',
    },
    {
      name: 'state',
      type: 'text',
      description: 'R running, S sleeping, D waiting for a disk, Z ended but not reaped, T stopped, I idle',
    },
    { name: 'uid', type: 'integer', description: 'user id that it runs as' },
    { name: 'user_time_ms', type: 'integer', description: 'CPU time used in user mode since its start' },
    { name: 'system_time_ms', type: 'integer', description: 'CPU time used in the kernel since its start' },
    { name: 'rss_bytes', type: 'integer', description: 'resident memory' },
    { name: 'threads', type: 'integer', description: 'number of threads' },
    { name: 'started_at', type: 'text', description: 'UTC time of its start' },
  ],
  *rows({ proc }) {
    const boot = bootTime(proc);
    for (const entry of readdirSync(proc)) {
      if (!/^\d+$/.test(entry)) {
        continue;
      }
      const row = processRow(proc, entry, boot);
      if (row !== undefined) {
        yield row;
      }
    }
  },
};
