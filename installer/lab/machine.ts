import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '../../src/errors.ts';
import { makeMachineCgroups, removeCgroups, unifiedCgroup } from './cgroups.ts';
import { attachDisk, loseDisk, tearOffDisk } from './disk.ts';
import { freeze } from './freezer.ts';
import { removeNspawnRemains, unmount } from './mounts.ts';
import { netnsFile, nspawnName } from './names.ts';
import { plugIn, unplug } from './network.ts';
import { NSPAWN_ENV, bootCommand, inCgroups } from './nspawn.ts';
import type { LabOptions, MachinePlan } from './plan.ts';
import { killProcesses, labProcesses, leaderOf } from './processes.ts';
import { CLEAN_ENV } from './run.ts';
import { labPaths } from './user-files.ts';

export function consoleLog(options: Pick<LabOptions, 'dir'>, machine: Pick<MachinePlan, 'name'>): string {
  return join(labPaths(options.dir).logs, `${machine.name.toLowerCase()}.console.log`);
}

/** Switches a machine on; it runs on when this process ends. Does not wait for its boot. */
export async function powerOn(machine: MachinePlan, options: LabOptions): Promise<void> {
  await attachDisk(machine, options);
  await plugIn(machine, options);
  const dirs = makeMachineCgroups(machine.name);
  await mkdir(labPaths(options.dir).logs, { recursive: true });
  const log = openSync(consoleLog(options, machine), 'a');
  const child = spawn('sh', inCgroups(dirs, bootCommand(machine.name, unifiedCgroup(machine.name))), {
    detached: true,
    cwd: '/',
    env: { ...CLEAN_ENV, ...NSPAWN_ENV },
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  // What went wrong is seen by waitForBoot, which looks at the machine.
  child.on('error', () => undefined);
  child.unref();
}

/** Waits until admin can log in by ssh. @throws Failure `lab-boot-failed`, also after `seconds`. */
export async function waitForBoot(
  machine: MachinePlan,
  options: LabOptions,
  seconds: number,
  signal: AbortSignal,
): Promise<void> {
  const started = Date.now();
  for (;;) {
    signal.throwIfAborted();
    const leader = leaderOf(machine.name);
    if (
      leader !== undefined &&
      (await sshAnswers(machine.address)) &&
      !existsSync(`/proc/${leader}/root/run/nologin`)
    ) {
      return;
    }
    const age = Date.now() - started;
    const gone = age > 3000 && !labProcesses().some((p) => p.machine === machine.name.toLowerCase());
    if (gone || age > seconds * 1000) {
      throw new Failure(
        'lab-boot-failed',
        `${
          gone
            ? 'it stopped during its boot'
            : `it did not answer on ${machine.address} port 22 ` + `within ${seconds} s`
        }${lastLine(consoleLog(options, machine))}.`,
        {
          host: machine.name,
          remedy: `Its console is in ${consoleLog(options, machine)}; \`terrarium lab down\` removes the lab.`,
        },
      );
    }
    await sleep(100);
  }
}

function lastLine(log: string): string {
  const line = existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n').at(-1) : undefined;
  return line === undefined || line === '' ? '' : ` (last on its console: ${line.slice(0, 200)})`;
}

function sshAnswers(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port: 22, timeout: 1000 });
    const end = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('data', (data) => end(data.toString('latin1').startsWith('SSH-')));
    socket.once('error', () => end(false));
    socket.once('timeout', () => end(false));
    socket.once('close', () => end(false));
  });
}

/**
 * Cuts the machines' power, all at the same moment: every process is killed, nothing is synced, and what they held on
 * this machine is cleaned up so that they can be switched on again.
 */
export async function powerCut(machines: MachinePlan[], options: LabOptions): Promise<void> {
  const names = new Set(machines.map((m) => m.name.toLowerCase()));
  await Promise.all(machines.map((m) => freeze(m.name)));
  // Before the kill: an overlay (a container's root) that goes with its processes would sync the disk.
  await Promise.all(machines.map((m) => loseDisk(m.name)));
  const arguments_ = new Set([...names].map((n) => `--machine=${nspawnName(n)}`));
  const left = await killProcesses((p) =>
    p.machine === undefined ? p.command.split(' ').some((a) => arguments_.has(a)) : names.has(p.machine),
  );
  if (left.length > 0) {
    throw new Failure(
      'lab-unkillable',
      `${left.length} processes of ${[...names].join(', ')} do not die (first: ${left[0]?.pid} ` +
        `${left[0]?.command.slice(0, 80)}).`,
      {
        remedy: "They hang in this machine's kernel (see /proc/PID/stack); restart this machine.",
      },
    );
  }
  await Promise.all(machines.map((m) => clearUp(m, options)));
}

async function clearUp(machine: MachinePlan, options: LabOptions): Promise<void> {
  await tearOffDisk(machine, options);
  await unplug(machine);
  const netns = netnsFile(machine.name);
  await unmount(netns);
  await rm(netns, { force: true });
  removeNspawnRemains(nspawnName(machine.name));
  await removeCgroups(machine.name);
}
