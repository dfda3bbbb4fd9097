import { execa } from 'execa';
import { Failure } from '../../src/errors.ts';
import { SYSTEM_PATH } from '../system-path.ts';
import { hasEnded, retireEvents } from './events.ts';
import { operationFiles } from './files.ts';

export const EXECUTOR_UNIT = 'terrarium-executor.service';
export const COORDINATOR_UNIT = 'terrarium-coordinator.service';
/** Exit code of a coordinator whose plan failed: starting it again by itself would not help. */
export const PLAN_FAILED = 10;

const PROPERTIES = [
  'Type=exec',
  'UMask=0022',
  // What a phase has started dies with its executor; the phase is repeated.
  'KillMode=mixed',
  'TimeoutStopSec=10',
  'Restart=on-failure',
  'RestartSec=1',
  'StartLimitIntervalSec=300',
  'StartLimitBurst=20',
  `RestartPreventExitStatus=${PLAN_FAILED}`,
];

export interface UnitOptions {
  /** The terrarium executable on this node. */
  executable: string;
  operation: string;
  data: string;
}

/** Runs a program; never throws for its exit code. */
export type Run = (argv: string[]) => Promise<{ exitCode: number; stdout: string; stderr: string }>;

const runHere: Run = async ([file = '', ...args]) => {
  const result = await execa(file, args, { reject: false });
  return {
    exitCode: result.exitCode ?? 127,
    stdout: result.stdout,
    stderr: result.exitCode === undefined ? (result.shortMessage ?? '') : result.stderr,
  };
};

function transient(unit: string, role: string, options: UnitOptions, args: string[]): string[] {
  return [
    'systemd-run',
    `--unit=${unit}`,
    `--description=Terrarium ${role} of ${options.operation}`,
    '--collect',
    '--quiet',
    ...PROPERTIES.map((p) => `--property=${p}`),
    `--setenv=PATH=${SYSTEM_PATH}`,
    options.executable,
    ...args,
  ];
}

/** The exact command that starts an executor as a transient unit. */
export function executorArgv(options: UnitOptions): string[] {
  const config = operationFiles(options.data, options.operation).executorConfig;
  return transient(EXECUTOR_UNIT, 'executor', options, [
    'executor',
    '--operation',
    options.operation,
    '--config',
    config,
  ]);
}

/** The exact command that starts a coordinator as a transient unit. */
export function coordinatorArgv(options: UnitOptions): string[] {
  return transient(COORDINATOR_UNIT, 'coordinator', options, [
    'coordinator',
    '--operation',
    options.operation,
    '--data',
    options.data,
  ]);
}

export interface UnitState {
  /**
   * systemd's ActiveState: `active`, `activating` (also between two automatic starts), `deactivating`, `failed`,
   * `inactive`.
   */
  active: string;
  /** The operation it works for, `undefined` where the unit is not loaded. */
  operation: string | undefined;
}

/** @throws Failure `no-systemd` where systemctl cannot be asked. */
export async function unitState(unit: string, run: Run = runHere): Promise<UnitState> {
  const shown = await run(['systemctl', 'show', '--property=ActiveState,Description', unit]);
  if (shown.exitCode !== 0) {
    throw new Failure('no-systemd', `systemd does not answer on this machine: ${shown.stderr.split('\n')[0] ?? ''}.`, {
      remedy: 'Terrarium needs a machine that was booted with systemd.',
    });
  }
  const active = /^ActiveState=(.*)$/m.exec(shown.stdout)?.[1] ?? 'inactive';
  return { active, operation: /^Description=Terrarium \S+ of (\S+)$/m.exec(shown.stdout)?.[1] };
}

export function isAlive(state: UnitState): boolean {
  return ['active', 'activating', 'reloading'].includes(state.active);
}

/**
 * Starts this node's executor of an operation; one that is there already is left. @throws Failure `operation-running`,
 * `unit-start`, `no-systemd`.
 */
export async function startExecutor(options: UnitOptions, run: Run = runHere): Promise<'started' | 'running'> {
  return start(EXECUTOR_UNIT, executorArgv(options), options, run);
}

/** Starts the coordinator of an operation on this node; one that is there already is left. Throws as startExecutor. */
export async function startCoordinator(options: UnitOptions, run: Run = runHere): Promise<'started' | 'running'> {
  const { events } = operationFiles(options.data, options.operation);
  return start(COORDINATOR_UNIT, coordinatorArgv(options), options, run, {
    isEnding: () => hasEnded(events),
    before: () => retireEvents(events),
  });
}

interface Hooks {
  /** Whether one that is there has done its work and is about to end. */
  isEnding(): boolean;
  /** Done right before the start. */
  before(): void;
}

async function start(
  unit: string,
  argv: string[],
  options: UnitOptions,
  run: Run,
  hooks: Hooks = { isEnding: () => false, before: () => undefined },
): Promise<'started' | 'running'> {
  const isEnding = (s: UnitState): boolean =>
    s.active === 'deactivating' || (isAlive(s) && s.operation === options.operation && hooks.isEnding());
  let state = await unitState(unit, run);
  for (let n = 0; isEnding(state) && n < 60; n += 1) {
    await new Promise((resolve) => setTimeout(resolve, 250));
    state = await unitState(unit, run);
  }
  if (isAlive(state)) {
    if (state.operation === options.operation) {
      return 'running';
    }
    throw new Failure(
      'operation-running',
      `Another operation, ${state.operation ?? 'unknown'}, is under way on this machine.`,
      {
        remedy:
          `Let it end (\`terrarium operation follow --operation ${state.operation ?? 'ID'}\`), or stop it with ` +
          `\`systemctl stop ${unit}\`, then run the same command again.`,
      },
    );
  }
  if (state.active === 'failed') {
    await run(['systemctl', 'reset-failed', unit]);
  }
  hooks.before();
  const started = await run(argv);
  if (started.exitCode !== 0) {
    throw new Failure('unit-start', `${unit} cannot be started: ${started.stderr.split('\n')[0] ?? ''}.`, {
      remedy: 'See `journalctl -xe` on that machine.',
    });
  }
  return 'started';
}
