import { existsSync } from 'node:fs';
import { stat, statfs } from 'node:fs/promises';
import { diskImage } from './disk.ts';
import { faultsOf } from './faults/faults.ts';
import { labMounts } from './mounts.ts';
import { rootDir } from './names.ts';
import type { MachinePlan } from './plan.ts';
import { labProcesses } from './processes.ts';
import { labState } from './state.ts';
import { labPaths } from './user-files.ts';

export interface MachineStatus {
  name: string;
  state: 'running' | 'stopped';
  address: string;
  ipv4: string | undefined;
  ipv6: string;
  mac: string;
  /** Process id of its process 1 here. */
  leader: number | undefined;
  /** Bytes: what the disk may hold, what it holds (unknown while it is off), what it takes here. */
  disk: { size: number | undefined; used: number | undefined; taken: number };
  /** Of `lab fault`, in words. */
  faults: string[];
}

export interface LabStatus {
  up: boolean;
  dir: string | undefined;
  clusterFile: string | undefined;
  key: string | undefined;
  machines: MachineStatus[];
}

export async function labStatus(): Promise<LabStatus> {
  const state = labState();
  if (state === undefined) {
    return { up: false, dir: undefined, clusterFile: undefined, key: undefined, machines: [] };
  }
  const { dir } = state.options;
  const leaders = new Map(
    labProcesses()
      .filter((p) => p.leader)
      .map((p) => [p.machine, p.pid]),
  );
  const mounts = labMounts();
  const faults = await faultsOf(state.machines);
  const machines = await Promise.all(
    state.machines.map((m) => machineStatus(m, diskImage(state.options, m), leaders, mounts, faults.get(m.name) ?? [])),
  );
  return { up: true, dir, clusterFile: labPaths(dir).clusterFile, key: labPaths(dir).key, machines };
}

async function machineStatus(
  machine: MachinePlan,
  image: string,
  leaders: Map<string | undefined, number>,
  mounts: string[],
  faults: string[],
): Promise<MachineStatus> {
  const leader = leaders.get(machine.name.toLowerCase());
  const root = rootDir(machine.name);
  const fs = mounts.includes(root) ? await statfs(root) : undefined;
  return {
    name: machine.name,
    state: leader === undefined ? 'stopped' : 'running',
    address: machine.address,
    ipv4: machine.ipv4,
    ipv6: machine.ipv6,
    mac: machine.mac,
    leader,
    disk: {
      size: fs === undefined ? undefined : fs.blocks * fs.bsize,
      used: fs === undefined ? undefined : (fs.blocks - fs.bfree) * fs.bsize,
      taken: existsSync(image) ? (await stat(image)).blocks * 512 : 0,
    },
    faults,
  };
}

function gib(bytes: number | undefined): string {
  return bytes === undefined ? '-' : `${(bytes / 1024 ** 3).toFixed(1)} GiB`;
}

/** A table for people. */
export function statusTable(status: LabStatus): string {
  if (!status.up) {
    return 'No lab is up on this machine. `terrarium lab up --nodes 3` makes one.\n';
  }
  const rows = [
    ['MACHINE', 'STATE', 'ADDRESS', 'LEADER', 'DISK USED', 'OF', 'TAKEN HERE', 'FAULTS'],
    ...status.machines.map((m) => [
      m.name,
      m.state,
      m.address,
      String(m.leader ?? '-'),
      gib(m.disk.used),
      gib(m.disk.size),
      gib(m.disk.taken),
      m.faults.join(', ') || '-',
    ]),
  ];
  const widths = rows[0]?.map((_, i) => Math.max(...rows.map((r) => r[i]?.length ?? 0))) ?? [];
  return `${rows
    .map((r) =>
      r
        .map((c, i) => c.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')}\n`;
}
