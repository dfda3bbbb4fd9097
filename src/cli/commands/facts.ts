import type { CommandModule } from '../command.ts';

interface FactsOptions {
  prefix: string;
  data: string;
  ports: string;
}

export const command: CommandModule = {
  summary: 'tell as JSON what preflight wants to know about this machine',
  configure(cmd, io) {
    cmd
      .requiredOption('--prefix <dir>', 'where programs would be installed')
      .requiredOption('--data <dir>', 'where state would be kept')
      .requiredOption('--ports <numbers>', 'TCP ports that would be used, separated by commas')
      .option('--json', 'the only form there is')
      .action(async (options: FactsOptions) => {
        const { gatherFacts } = await import('../../../installer/preflight/facts/gather.ts');
        const facts = await gatherFacts(
          { prefix: options.prefix, data: options.data, ports: options.ports.split(',').map(Number) },
          io.env,
        );
        io.stdout.write(`${JSON.stringify(facts)}\n`);
      });
  },
};
