import { Option } from 'commander';
import { EXIT } from '../../errors.ts';
import type { CommandModule } from '../command.ts';

export const command: CommandModule = {
  summary: 'Walk through the plan of an operation (internal: started by systemd)',
  configure(cmd, io) {
    cmd
      .addOption(new Option('--operation <id>', 'the operation').makeOptionMandatory())
      .option('--data <dir>', 'where the cluster keeps its state (default: /var/lib/terrarium)')
      .action(async (options: { operation: string; data?: string }) => {
        const { runCoordinator } = await import('../../../installer/plan/roles.ts');
        const { loadPhase } = await import('../../../installer/plan/load.ts');
        const { DEFAULT_DATA } = await import('../../../installer/cluster/spec.ts');
        const { PLAN_FAILED } = await import('../../../installer/plan/units.ts');
        process.umask(0o022);
        io.signal.addEventListener('abort', () => process.exit(EXIT.interrupted));
        const ok = await runCoordinator({
          operation: options.operation,
          data: options.data ?? DEFAULT_DATA,
          loadPhase,
        });
        process.exit(ok ? EXIT.ok : PLAN_FAILED);
      });
  },
};
