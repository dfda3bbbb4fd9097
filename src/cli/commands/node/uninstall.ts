import { Option } from 'commander';
import type { CommandModule } from '../../command.ts';

export const command: CommandModule = {
  summary: 'Remove Terrarium from this node (internal: used by uninstall)',
  configure(cmd, io) {
    cmd
      .addOption(new Option('--data-dir <dir>', "folder of the node's state").makeOptionMandatory())
      .option('--data', 'also the data of persistent volume claims')
      .action(async (options: { dataDir: string; data?: true }) => {
        const { uninstallNode } = await import('../../../../installer/operations/uninstall-node.ts');
        const { writeOutput } = await import('../../json-io.ts');
        writeOutput(
          io,
          await uninstallNode({
            data: options.dataDir,
            withData: options.data === true,
            log: (line) => void io.stderr.write(`${line}\n`),
          }),
        );
      });
  },
};
