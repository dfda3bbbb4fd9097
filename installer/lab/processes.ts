import { readFileSync, readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isErrno } from '../../src/errors.ts';
import { thaw } from './freezer.ts';
import { isLabCommand, machineOfCgroup } from './names.ts';

export interface LabProcess {
  pid: number;
  /** Lower-case name of the machine in whose cgroup it is; undefined for nspawn not there yet and the name server. */
  machine: string | undefined;
  /** Process 1 of its machine. */
  leader: boolean;
  command: string;
}

function readProc(pid: number | string, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return undefined; // it has ended meanwhile
  }
}

/** Every process of a lab on this machine, found by its cgroup or its arguments. */
export function labProcesses(): LabProcess[] {
  const found: LabProcess[] = [];
  for (const entry of readdirSync('/proc')) {
    if (!/^[0-9]+$/.test(entry) || Number(entry) === process.pid) {
      continue;
    }
    const machine = machineOfCgroup(readProc(entry, 'cgroup') ?? '');
    const argv = (readProc(entry, 'cmdline') ?? '').split('\0').filter((a) => a !== '');
    if (machine === undefined && !isLabCommand(argv)) {
      continue;
    }
    const status = readProc(entry, 'status') ?? '';
    if (/^State:\s+Z/m.test(status)) {
      continue;
    }
    const ids = /^NSpid:\s+(.*)$/m.exec(status)?.[1]?.trim().split(/\s+/) ?? [];
    found.push({ pid: Number(entry), machine, leader: ids.length === 2 && ids[1] === '1', command: argv.join(' ') });
  }
  return found;
}

/** The process 1 of a machine, as this machine numbers it; undefined while it does not run. */
export function leaderOf(machine: string): number | undefined {
  return labProcesses().find((p) => p.leader && p.machine === machine.toLowerCase())?.pid;
}

export function processAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !isErrno(error, 'ESRCH');
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!isErrno(error, 'ESRCH')) {
      throw error;
    }
  }
}

/**
 * SIGKILL to every process that `which` chooses, until none is left. The machines' own process 1 goes first: with it
 * the kernel kills all of its machine at once.
 * @returns what is still there after 20 s.
 */
export async function killProcesses(which: (p: LabProcess) => boolean): Promise<LabProcess[]> {
  let left: LabProcess[] = [];
  for (let attempt = 0; attempt < 200; attempt += 1) {
    left = labProcesses().filter(which);
    if (left.length === 0) {
      return [];
    }
    for (const p of [...left.filter((l) => l.leader), ...left.filter((l) => !l.leader)]) {
      kill(p.pid);
    }
    for (const machine of new Set(left.map((p) => p.machine))) {
      if (machine !== undefined) {
        thaw(machine);
      }
    }
    await sleep(attempt < 10 ? 20 : 100);
  }
  return left;
}
