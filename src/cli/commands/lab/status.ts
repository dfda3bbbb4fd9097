import type { CommandModule } from '../../command.ts';

export const command: CommandModule = {
  summary: "list the lab's machines",
  group: 'Lab',
  configure(cmd, io) {
    cmd.option('--json', 'for programs').action(async (flags: { json?: boolean }) => {
      const { labStatus, statusTable } = await import('../../../../installer/lab/status.ts');
      const status = await labStatus();
      io.stdout.write(flags.json === true ? `${JSON.stringify(status, null, 2)}\n` : statusTable(status));
    });
  },
};
