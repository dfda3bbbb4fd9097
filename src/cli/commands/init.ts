import type { CommandModule } from '../command.ts';

export const command: CommandModule = {
  summary: 'Write a commented cluster.yaml to start from',
  group: 'Set up',
  configure(cmd, io) {
    cmd
      .argument('[addresses...]', 'addresses of the machines')
      .option('-o, --output <file>', 'where to write it; `-` prints it', 'cluster.yaml')
      .option('--ssh-user <user>', 'login on the machines', 'root')
      .option('--force', 'replace a file that is there')
      .action(async (addresses: string[], options: { output: string; sshUser: string; force?: true }) => {
        const { writeExample } = await import('../init.ts');
        writeExample(addresses, options, io);
      });
  },
};
