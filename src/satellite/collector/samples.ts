import { readMaybe } from '../procfs.ts';
import type { Row, Sources } from '../table.ts';
import { table as disks } from '../tables/disks.ts';
import { table as interfaces } from '../tables/interfaces.ts';
import { table as memory } from '../tables/memory.ts';

/** Fields of the line `cpu` of /proc/stat, proc_stat(5). */
interface CpuTimes {
  user: number;
  system: number;
  idle: number;
  iowait: number;
  steal: number;
}

/** The line of all processors together; undefined where there is none. */
export function parseCpu(stat: string): CpuTimes | undefined {
  const match = /^cpu +(.*)$/m.exec(stat);
  if (match === null) {
    return undefined;
  }
  const [user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0] = (match[1] ?? '')
    .split(' ')
    .map(Number);
  return { user: user + nice, system: system + irq + softirq, idle, iowait, steal };
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}

/** Shares of what passed between two readings; undefined where nothing passed. */
export function cpuRow(before: CpuTimes, after: CpuTimes): Row | undefined {
  // iowait can go backwards (proc_stat(5)).
  const spent = (key: keyof CpuTimes): number => Math.max(after[key] - before[key], 0);
  const total = spent('user') + spent('system') + spent('idle') + spent('iowait') + spent('steal');
  if (total === 0) {
    return undefined;
  }
  const percent = (ticks: number): number => rounded((100 * ticks) / total);
  return {
    busy_percent: percent(total - spent('idle') - spent('iowait')),
    user_percent: percent(spent('user')),
    system_percent: percent(spent('system')),
    iowait_percent: percent(spent('iowait')),
    steal_percent: percent(spent('steal')),
  };
}

/** Kinds of file systems that are no disk: a container's own view, or memory. */
const NO_DISK = new Set(['overlay', 'tmpfs', 'squashfs']);
const DISK_MS = 60_000;

export type Samples = Record<'cpu_history' | 'memory_history' | 'disk_history' | 'interface_history', Row[]>;

/** Reads the counters and makes rows of what changed since the time before; the first time gives no rates. */
export class Sampler {
  readonly #sources: Sources;
  #cpu: CpuTimes | undefined;
  #interfaces = new Map<string, Row>();
  #at: number | undefined;
  #disksAt: number | undefined;

  constructor(sources: Sources) {
    this.#sources = sources;
  }

  /**
   * @param now milliseconds since 1970, for the rows; @param monotonic milliseconds of a clock that never jumps, for
   *   the rates
   */
  sample(now: number, monotonic: number): Samples {
    const seconds = this.#at === undefined ? undefined : (monotonic - this.#at) / 1000;
    this.#at = monotonic;
    const timed = (rows: Row[]): Row[] => rows.map((row) => ({ ...row, unix_ms: now }));
    const withDisks = this.#disksAt === undefined || monotonic - this.#disksAt >= DISK_MS;
    if (withDisks) {
      this.#disksAt = monotonic;
    }
    return {
      cpu_history: timed(this.#cpuRows()),
      memory_history: timed(this.#memoryRows()),
      disk_history: timed(withDisks ? this.#diskRows() : []),
      interface_history: timed(this.#interfaceRows(seconds)),
    };
  }

  #cpuRows(): Row[] {
    const before = this.#cpu;
    this.#cpu = parseCpu(readMaybe(this.#sources.proc, 'stat') ?? '');
    if (before === undefined || this.#cpu === undefined) {
      return [];
    }
    const row = cpuRow(before, this.#cpu);
    const load = Number((readMaybe(this.#sources.proc, 'loadavg') ?? '').split(' ')[0]);
    return row === undefined ? [] : [{ ...row, load_1m: load }];
  }

  #memoryRows(): Row[] {
    return [...memory.rows(this.#sources)].map((m) => ({
      total_bytes: m['total_bytes'] ?? null,
      available_bytes: m['available_bytes'] ?? null,
      free_bytes: m['free_bytes'] ?? null,
      cached_bytes: m['cached_bytes'] ?? null,
      swap_used_bytes: Number(m['swap_total_bytes']) - Number(m['swap_free_bytes']),
    }));
  }

  #diskRows(): Row[] {
    const rows = new Map<string, Row>();
    for (const disk of disks.rows(this.#sources)) {
      const device = String(disk['device']);
      if (
        NO_DISK.has(String(disk['type'])) ||
        disk['size_bytes'] === null ||
        disk['size_bytes'] === 0 ||
        rows.has(device)
      ) {
        continue;
      }
      rows.set(device, {
        mount_point: disk['mount_point'] ?? null,
        device,
        size_bytes: disk['size_bytes'] ?? null,
        used_bytes: disk['used_bytes'] ?? null,
        available_bytes: disk['available_bytes'] ?? null,
        inodes_free: disk['inodes_free'] ?? null,
      });
    }
    return [...rows.values()];
  }

  #interfaceRows(seconds: number | undefined): Row[] {
    const before = this.#interfaces;
    this.#interfaces = new Map([...interfaces.rows(this.#sources)].map((row) => [String(row['name']), row]));
    const rows: Row[] = [];
    for (const [name, after] of this.#interfaces) {
      const earlier = before.get(name);
      if (earlier === undefined || seconds === undefined || seconds <= 0) {
        continue;
      }
      // An interface of the same name that was made anew counts from zero.
      const more = (key: string): number => Math.max(Number(after[key]) - Number(earlier[key]), 0);
      rows.push({
        name,
        rx_bytes_per_s: rounded(more('rx_bytes') / seconds),
        tx_bytes_per_s: rounded(more('tx_bytes') / seconds),
        rx_errors: more('rx_errors'),
        tx_errors: more('tx_errors'),
      });
    }
    return rows;
  }
}
