import { EXIT, Failure } from '../../../src/errors.ts';
import { freeze, isFrozen, thaw } from '../freezer.ts';
import { findMachine, type MachinePlan } from '../plan.ts';
import { requireRunning } from '../power.ts';
import { requireFaultPrograms, requireRoot } from '../requirements.ts';
import { requireLab } from '../state.ts';
import { fillDisk, freeDisk, isFilled } from './disk.ts';
import { addNetworkFaults, clearNetworkFaults, faultComment, networkFaults, type NetworkFault } from './network.ts';

/** What can go wrong with a machine of the lab beside its power; all of it ends by `clearFaults`, and with the lab. */

function bad(message: string, remedy: string): Failure {
  return new Failure('usage', message, { remedy, exitCode: EXIT.usage });
}

function begin(names: string[]): { all: MachinePlan[]; chosen: MachinePlan[] } {
  requireRoot('A fault');
  const { machines } = requireLab();
  return { all: machines, chosen: [...new Set(names.map((n) => findMachine(machines, n)))] };
}

/** The pairs of a partition; in one direction, from the named machines to the others, where `oneWay`. */
export function partitionPairs(names: string[], others: string[], oneWay: boolean): NetworkFault[] {
  return names
    .flatMap((a) => others.flatMap((b) => [{ from: a, to: b }, ...(oneWay ? [] : [{ from: b, to: a }])]))
    .map((pair) => ({ kind: 'partition', ...pair }));
}

/**
 * Cuts machines off from others (default: all others; among themselves they stay connected).
 * @throws Failure `usage`, `no-such-machine`
 */
export async function partition(names: string[], from: string[] | undefined, oneWay: boolean): Promise<string> {
  const { all, chosen } = begin(names);
  requireFaultPrograms();
  const others = from === undefined ? all.filter((m) => !chosen.includes(m)) : from.map((n) => findMachine(all, n));
  if (others.length === 0) {
    throw bad('That leaves no machine to be cut off from.', 'Name fewer machines.');
  }
  const both = others.find((m) => chosen.includes(m));
  if (both !== undefined) {
    throw bad(`${both.name} stands on both sides.`, 'Name it once.');
  }
  await addNetworkFaults(
    partitionPairs(
      chosen.map((m) => m.name),
      others.map((m) => m.name),
      oneWay,
    ),
    all,
  );
  return (
    `${chosen.map((m) => m.name).join(', ')} ${oneWay ? 'no longer reaches' : 'cut off from'} ` +
    `${others.map((m) => m.name).join(', ')}`
  );
}

/** Loses frames by chance between these machines and all others. @param percent more than 0, at most 100. */
export async function loss(names: string[], percent: number): Promise<string> {
  const { all, chosen } = begin(names);
  if (!(percent >= 0.01 && percent <= 100)) {
    throw bad('--percent takes a number from 0.01 to 100.', 'Use for example --percent 20.');
  }
  requireFaultPrograms();
  await addNetworkFaults(
    chosen.map((m) => ({ kind: 'loss', machine: m.name, percent })),
    all,
  );
  return `${percent} % of the frames from and to ${chosen.map((m) => m.name).join(', ')} are lost`;
}

/** Fills disks. @param leaveMiB what stays free. */
export async function diskFull(names: string[], leaveMiB: number): Promise<string> {
  const { chosen } = begin(names);
  if (!(leaveMiB >= 0)) {
    throw bad('--leave takes a number of MiB.', 'Use for example --leave 10.');
  }
  for (const machine of chosen) {
    requireRunning(machine);
    await fillDisk(machine.name, leaveMiB * 1024 * 1024);
  }
  return `disk full: ${chosen.map((m) => m.name).join(', ')}`;
}

/**
 * Makes every process of machines stand still, as a hanging hypervisor does: their connections stay open, nobody
 * answers.
 */
export async function stop(names: string[]): Promise<string> {
  const { chosen } = begin(names);
  for (const machine of chosen) {
    requireRunning(machine);
    await freeze(machine.name);
  }
  return `standing still: ${chosen.map((m) => m.name).join(', ')}`;
}

/** Ends every fault of these machines, or of all. */
export async function clearFaults(names: string[], everything: boolean): Promise<string> {
  const { all, chosen } = begin(names);
  const machines = everything ? all : chosen;
  for (const machine of machines) {
    thaw(machine.name);
    await freeDisk(machine.name);
  }
  await clearNetworkFaults(machines.map((m) => m.name));
  return `no faults any more: ${machines.map((m) => m.name).join(', ')}`;
}

/** The faults of each machine, by its name, in words. */
export async function faultsOf(machines: MachinePlan[]): Promise<Map<string, string[]>> {
  const network = await networkFaults();
  return new Map(
    machines.map(({ name }) => [
      name,
      [
        ...(isFrozen(name) ? ['stop'] : []),
        ...(isFilled(name) ? ['disk-full'] : []),
        ...network
          .filter((f) => (f.kind === 'partition' ? f.from === name : f.machine === name))
          .map((f) =>
            f.kind === 'partition'
              ? `partition from ${f.to}`
              : faultComment(f).replace(`loss ${name} `, 'loss ') + ' %',
          ),
      ],
    ]),
  );
}
