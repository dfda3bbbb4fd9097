import { Option } from 'commander';
import type { CommandModule } from '../command.ts';

export const command: CommandModule = {
  summary: 'Carry out the steps of an operation on this node (internal: started by systemd)',
  configure(cmd, io) {
    cmd
      .addOption(new Option('--operation <id>', 'the operation').makeOptionMandatory())
      .addOption(new Option('--config <file>', 'executor.json of the operation').makeOptionMandatory())
      .action(async (options: { operation: string; config: string }) => {
        const { runExecutor } = await import('../../../installer/plan/roles.ts');
        const { loadPhase, loadProcedure } = await import('../../../installer/plan/load.ts');
        process.umask(0o022);
        // A phase that forgot to wait for something must not take the other phases down.
        process.on('unhandledRejection', (reason) =>
          io.stderr.write(`a phase left an error behind: ${String(reason)}\n`),
        );
        await runExecutor({
          operation: options.operation,
          configFile: options.config,
          loadPhase,
          loadProcedure,
          signal: io.signal,
        });
        // Whatever a phase has left open must not keep the unit.
        process.exit();
      });
  },
};
