import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EXIT, Failure } from '../../src/errors.ts';
import { baseImage, ensureBase } from './base.ts';
import { makeDisk } from './disk.ts';
import { powerOn, waitForBoot } from './machine.ts';
import { MARKER, PAUSE_FILE } from './names.ts';
import { labInterfaces, makeBridge, startNameServer } from './network.ts';
import { checkOptions, planMachines, type LabOptions } from './plan.ts';
import { labProcesses } from './processes.ts';
import { requirePrograms, requireRoot } from './requirements.ts';
import { run, succeeds } from './run.ts';
import { claimLab, labExists, type LabState } from './state.ts';
import { clusterYaml, knownHosts, labPaths, sshConfig } from './user-files.ts';

export const BOOT_SECONDS = 90;

/**
 * Makes and boots a lab. When this process is killed, whatever was there by then is found by `lab down`.
 * @throws Failure, each with what to do next.
 */
export async function labUp(
  options: LabOptions,
  env: NodeJS.ProcessEnv,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<LabState> {
  checkOptions(options);
  requireRoot('A lab');
  // The caller's would end up in the modes of the machines' folders.
  process.umask(0o022);
  requirePrograms({ debootstrap: !existsSync(baseImage(env)), dns: options.dns });
  if (labInterfaces().length > 0 || labProcesses().length > 0) {
    throw labExists();
  }
  await checkFolder(options.dir);
  const state: LabState = { options, machines: planMachines(options) };
  await claimLab(state);
  const paths = labPaths(options.dir);
  await mkdir(options.dir, { recursive: true, mode: 0o755 });
  await writeFile(join(options.dir, MARKER), 'The folder of a Terrarium lab; `terrarium lab down` removes it.\n');
  await mkdir(paths.logs, { recursive: true });
  const base = await ensureBase(env, say, signal);

  const began = Date.now();
  await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'terrarium-lab', '-f', paths.key]);
  const publicKey = await readFile(`${paths.key}.pub`, 'utf8');
  say(`Making ${state.machines.length} disk${state.machines.length === 1 ? '' : 's'}`);
  const keys = await Promise.all(
    state.machines.map(async (machine) => ({
      machine,
      publicKeys: await makeDisk(machine, options, base, publicKey, signal),
    })),
  );
  await writeFile(paths.knownHosts, knownHosts(keys));
  await writeFile(paths.sshConfig, sshConfig(state.machines, options.dir));
  await writeFile(paths.clusterFile, clusterYaml(state.machines, options.dir));

  signal.throwIfAborted();
  await bootMachines(state, say, signal);
  say(`Up after ${((Date.now() - began) / 1000).toFixed(1)} s`);
  return state;
}

/**
 * Bridge, name server, and all machines from their disks.
 * @throws Failure `lab-boot-failed`
 */
export async function bootMachines(
  { options, machines }: LabState,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  // A machine cannot load modules of this kernel by itself; where overlay is built in, modprobe has nothing to do.
  await succeeds('modprobe', ['--quiet', 'overlay']);
  await makeBridge();
  if (options.dns) {
    await startNameServer(machines, labPaths(options.dir).logs);
  }
  say(`Booting ${machines.map((m) => m.name).join(', ')}`);
  for (const machine of machines) {
    await powerOn(machine, options);
  }
  await Promise.all(machines.map((m) => waitForBoot(m, options, BOOT_SECONDS, signal)));
}

/** @throws Failure `lab-paused`, `lab-folder-used` */
export async function checkFolder(dir: string): Promise<void> {
  if (!existsSync(dir)) {
    return;
  }
  const entries = await readdir(dir);
  if (entries.length === 0) {
    return;
  }
  if (entries.includes(PAUSE_FILE)) {
    throw new Failure('lab-paused', `${dir} holds a paused lab.`, {
      remedy: `\`terrarium lab resume --dir ${dir}\` boots it again; \`terrarium lab down --dir ${dir}\` removes it.`,
      exitCode: EXIT.usage,
    });
  }
  throw new Failure(
    'lab-folder-used',
    entries.includes(MARKER) ? `${dir} holds an earlier lab.` : `${dir} exists and is not a lab's folder.`,
    {
      remedy: entries.includes(MARKER) ? `Run \`terrarium lab down --dir ${dir}\`.` : 'Name another one with --dir.',
      exitCode: EXIT.usage,
    },
  );
}
