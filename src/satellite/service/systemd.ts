import { existsSync } from 'node:fs';
import { run } from '../../../installer/node/run.ts';
import { lastWords, removeUnit, restartUnit, unitActive } from '../../../installer/node/systemd.ts';
import { EXIT, Failure } from '../../errors.ts';

/** What starts services. */
export interface ServiceManager {
  /** Whether it is this machine's, which runs. */
  live: boolean;
  /** From the next start of the machine on. */
  enable(unit: string): Promise<void>;
  restart(unit: string): Promise<void>;
  active(unit: string): Promise<boolean>;
  lastWords(unit: string): Promise<string>;
  /** Stops, disables and forgets it; nothing to do where there is none. */
  remove(unit: string): Promise<void>;
}

/** @throws Failure `no-systemd` */
export function serviceManager(root: string): ServiceManager {
  if (root !== '/') {
    return prepared(root);
  }
  if (!existsSync('/run/systemd/system')) {
    throw new Failure('no-systemd', 'This machine is not run by systemd.', {
      remedy: 'Enrol it by `terrarium satellite enrol` and keep `terrarium satellite` running by other means.',
      exitCode: EXIT.usage,
    });
  }
  return {
    live: true,
    async enable(unit) {
      await run(['systemctl', 'daemon-reload']);
      await run(['systemctl', 'enable', '--quiet', unit]);
    },
    restart: restartUnit,
    active: unitActive,
    lastWords,
    remove: removeUnit,
  };
}

/** A machine that does not run: its files alone. */
function prepared(root: string): ServiceManager {
  return {
    live: false,
    enable: async (unit) => void (await run(['systemctl', `--root=${root}`, 'enable', '--quiet', unit])),
    restart: () => Promise.resolve(),
    active: () => Promise.resolve(false),
    lastWords: () => Promise.resolve(''),
    remove: async (unit) =>
      void (await run(['systemctl', `--root=${root}`, 'disable', '--quiet', unit], { accept: [0, 1] })),
  };
}
