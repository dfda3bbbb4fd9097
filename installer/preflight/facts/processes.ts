import { readlink } from 'node:fs/promises';
import { namesIn, textOf } from './read.ts';

export interface Process {
  pid: number;
  /** /proc/PID/comm: at most 15 characters. */
  name: string;
  /** Words of its command line. */
  argv: string[];
}

/** Every process that is visible; kernel threads have an empty argv. */
export async function listProcesses(): Promise<Process[]> {
  const pids = (await namesIn('/proc')).filter((n) => /^\d+$/.test(n));
  const all = await Promise.all(
    pids.map(async (pid): Promise<Process | undefined> => {
      const [name, command] = await Promise.all([textOf(`/proc/${pid}/comm`), textOf(`/proc/${pid}/cmdline`)]);
      if (name === undefined || command === undefined) {
        return undefined;
      }
      return { pid: Number(pid), name: name.trim(), argv: command.split('\0').filter((w) => w !== '') };
    }),
  );
  return all.filter((p) => p !== undefined);
}

/** The systemd unit in which a process runs. */
export async function unitOf(pid: number): Promise<string | null> {
  const cgroup = (await textOf(`/proc/${pid}/cgroup`)) ?? '';
  const line =
    cgroup.split('\n').find((l) => l.startsWith('0::/') && l !== '0::/') ??
    cgroup.split('\n').find((l) => l.includes('name=systemd:'));
  return /([^/]+\.(?:service|socket|scope))(?:\/|$)/.exec(line ?? '')?.[1] ?? null;
}

export async function executableOf(pid: number): Promise<string | null> {
  return await readlink(`/proc/${pid}/exe`).catch(() => null);
}
