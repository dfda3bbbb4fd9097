import { EXIT, Failure } from '../../../errors.ts';
import type { CommandModule } from '../../command.ts';

export const command: CommandModule = {
  summary: 'make repairs on this machine (run by preflight --fix)',
  configure(cmd, io) {
    cmd
      .argument('<fixes...>')
      .requiredOption('--data <dir>', 'folder of host-changes.json')
      .action(async (names: string[], options: { data: string }) => {
        const { applyFix, isFixName } = await import('../../../../installer/preflight/fixes.ts');
        const { nodePaths } = await import('../../../../installer/cluster/paths.ts');
        const file = nodePaths({ prefix: '/', data: options.data }).hostChanges;
        for (const name of names) {
          if (!isFixName(name)) {
            throw new Failure('usage', `There is no repair ${name}.`, { exitCode: EXIT.usage });
          }
          for (const line of await applyFix(name, file)) {
            io.stdout.write(`${line}\n`);
          }
        }
      });
  },
};
