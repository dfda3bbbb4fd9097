import { readdirSync } from 'node:fs';
import { bootTime } from '../procfs.ts';
import type { Row } from '../table.ts';
import { processRow } from '../tables/processes.ts';

/** kthreadd: the parent of all kernel threads. */
const KERNEL_THREADS = 2;
const CMDLINE_CHARS = 512;

/**
 * Compares the list of processes with the time before. Only those that are new are read: a glance costs a listing of
 * /proc.
 */
export class ProcessEvents {
  readonly #proc: string;
  #known: Map<string, Row | undefined> | undefined;

  constructor(proc: string) {
    this.#proc = proc;
  }

  /** Starts and ends since the last call; the first one gives none. @param now milliseconds since 1970 */
  look(now: number): Row[] {
    const events: Row[] = [];
    const before = this.#known;
    const boot = bootTime(this.#proc);
    const known = new Map<string, Row | undefined>();
    for (const pid of readdirSync(this.#proc)) {
      if (!/^\d+$/.test(pid)) {
        continue;
      }
      if (before?.has(pid) === true) {
        known.set(pid, before.get(pid));
        before.delete(pid);
        continue;
      }
      const row = this.#read(pid, boot);
      known.set(pid, row?.event);
      if (before !== undefined && row !== undefined) {
        events.push({ ...row.event, type: 'start', unix_ms: Math.min(row.startedMs ?? now, now) });
      }
    }
    for (const row of before?.values() ?? []) {
      if (row !== undefined) {
        events.push({ ...row, type: 'end', unix_ms: now });
      }
    }
    this.#known = known;
    return events;
  }

  #read(pid: string, boot: number | null): { event: Row; startedMs: number | undefined } | undefined {
    const row = processRow(this.#proc, pid, boot);
    if (row === undefined || row['pid'] === KERNEL_THREADS || row['ppid'] === KERNEL_THREADS) {
      return undefined;
    }
    const started = row['started_at'];
    return {
      event: {
        pid: row['pid'] ?? null,
        ppid: row['ppid'] ?? null,
        name: row['name'] ?? null,
        cmdline: String(row['cmdline']).slice(0, CMDLINE_CHARS),
        uid: row['uid'] ?? null,
      },
      startedMs: typeof started === 'string' ? Date.parse(started) : undefined,
    };
  }
}
