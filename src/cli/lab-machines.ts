import type { Command } from 'commander';
import { EXIT, Failure } from '../errors.ts';

/** A command about machines of the lab: their names, or --all; not both, not neither. */
export function onMachines(cmd: Command, action: (names: string[], all: boolean) => Promise<void>): void {
  cmd
    .argument('[names...]', 'the machines')
    .option('--all', 'all of them')
    .action(async (names: string[], { all = false }: { all?: boolean }) => {
      if (all === names.length > 0) {
        throw new Failure('usage', `\`${cmd.name()}\` takes names of machines or --all.`, {
          remedy: '`terrarium lab status` lists them.',
          exitCode: EXIT.usage,
        });
      }
      await action(names, all);
    });
}
