import { Failure } from '../../src/errors.ts';
import { powerCut, powerOn, waitForBoot } from './machine.ts';
import { findMachine, type MachinePlan } from './plan.ts';
import { leaderOf } from './processes.ts';
import { requireRoot } from './requirements.ts';
import { requireLab, type LabState } from './state.ts';
import { BOOT_SECONDS } from './up.ts';

function chosen(state: LabState, names: string[], all: boolean): MachinePlan[] {
  return all ? state.machines : [...new Set(names.map((n) => findMachine(state.machines, n)))];
}

/** Cuts the power of machines, at one moment. Those that are off already are cleaned up after. @returns their names. */
export async function labStop(names: string[], all: boolean): Promise<string[]> {
  requireRoot('Stopping a machine');
  const state = requireLab();
  const machines = chosen(state, names, all);
  await powerCut(machines, state.options);
  return machines.map((m) => m.name);
}

/** Boots machines from their disks as they are; @returns those that were not running before. */
export async function labStart(names: string[], all: boolean, signal: AbortSignal): Promise<string[]> {
  requireRoot('Starting a machine');
  const state = requireLab();
  const off = chosen(state, names, all).filter((m) => leaderOf(m.name) === undefined);
  // A machine that powered itself off leaves its disk mounted.
  await powerCut(off, state.options);
  for (const machine of off) {
    await powerOn(machine, state.options);
  }
  await Promise.all(off.map((m) => waitForBoot(m, state.options, BOOT_SECONDS, signal)));
  return off.map((m) => m.name);
}

/** The process 1 of a machine. @throws Failure `machine-off` */
export function requireRunning(machine: MachinePlan): number {
  const leader = leaderOf(machine.name);
  if (leader !== undefined) {
    return leader;
  }
  throw new Failure('machine-off', `${machine.name} is switched off.`, {
    remedy: `Run \`terrarium lab start ${machine.name}\`.`,
  });
}
