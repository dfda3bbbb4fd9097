import type { CommandModule } from '../command.ts';

/** The node agent, a systemd service on every node. */
export const command: CommandModule = {
  summary: 'the node agent (started by systemd)',
  configure(cmd, io) {
    cmd.requiredOption('--data <dir>', "folder of the node's state").action(async ({ data }: { data: string }) => {
      const { runAgent } = await import('../../agent/agent.ts');
      await runAgent(data, io.signal, (line) => void io.stdout.write(`${line}\n`));
    });
  },
};
