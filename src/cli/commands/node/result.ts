import { Option } from 'commander';
import type { CommandModule } from '../../command.ts';

export const command: CommandModule = {
  summary: "Print what the administrator's machine stores after an install (internal: used by install)",
  configure(cmd, io) {
    cmd
      .addOption(new Option('--data <dir>', "folder of the node's state").makeOptionMandatory())
      .option('--taken', 'forget the first password: it has been shown')
      .action(async (options: { data: string; taken?: true }) => {
        const { installResult, forgetPassword } = await import('../../../../installer/node/result.ts');
        const { writeOutput } = await import('../../json-io.ts');
        if (options.taken === true) {
          forgetPassword(options.data);
        } else {
          writeOutput(io, await installResult(options.data));
        }
      });
  },
};
