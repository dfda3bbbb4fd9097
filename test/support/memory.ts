import { readFileSync, readdirSync } from 'node:fs';

/** Bytes of a process's memory, each shared page counted by its share. @throws where it is gone */
export function proportional(pid: number): number {
  const match = /^Pss: +(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'));
  return Number(match?.[1]) * 1024;
}

/** Bytes of a process that are in memory. @throws where it is gone */
export function resident(pid: number): number {
  const match = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  // One that has ended and is not yet buried has none.
  return Number(match?.[1] ?? 0) * 1024;
}

/** Milliseconds of processor time that a process has used. @throws where it is gone */
export function processorMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** Processes whose parent is this one. */
export function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((child) => {
      try {
        return new RegExp(`^PPid:\\s+${pid}$`, 'm').test(readFileSync(`/proc/${child}/status`, 'utf8'));
      } catch {
        return false;
      }
    });
}

/** Follows a process's memory at intervals. @returns how to end it, with the most that was seen */
export function watchResident(pid: number, everyMs = 50): () => number {
  let most = resident(pid);
  const timer = setInterval(() => {
    try {
      most = Math.max(most, resident(pid));
    } catch {
      clearInterval(timer);
    }
  }, everyMs);
  return () => {
    clearInterval(timer);
    return most;
  };
}
