import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { execCgroups } from './cgroups.ts';
import { inCgroups } from './nspawn.ts';
import { findMachine } from './plan.ts';
import { requireRunning } from './power.ts';
import { requireRoot } from './requirements.ts';
import { CLEAN_ENV } from './run.ts';
import { requireLab } from './state.ts';

/**
 * Runs a command as root inside a machine, its standard streams being ours, and no shell between.
 * @returns its exit code; 128 + n where signal n ended it, also when the machine lost its power meanwhile.
 */
export async function labExec(name: string, command: string[], env: NodeJS.ProcessEnv): Promise<number> {
  requireRoot('Running something in a machine');
  const machine = findMachine(requireLab().machines, name);
  const leader = requireRunning(machine);
  // nsenter alone would keep our capabilities, and with them `date -s` would set this machine's clock.
  const enter = [
    'setpriv',
    '--bounding-set=-sys_time',
    '--inh-caps=-sys_time',
    '--',
    'nsenter',
    `--target=${leader}`,
    '--mount',
    '--uts',
    '--ipc',
    '--net',
    '--pid',
    '--cgroup',
    '--root',
    '--wd',
    '--',
    ...command,
  ];
  const child = spawn('sh', inCgroups(execCgroups(machine.name), enter), {
    stdio: 'inherit',
    env: { ...CLEAN_ENV, USER: 'root', LC_ALL: 'C.UTF-8', ...(env['TERM'] === undefined ? {} : { TERM: env['TERM'] }) },
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
  });
}
