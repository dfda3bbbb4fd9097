import { cloudClient } from '../cloud-client.ts';
import type { CommandModule } from '../command.ts';

interface Options {
  ca?: true;
  output: string;
  context?: string;
}

export const command: CommandModule = {
  summary: 'Show what resolvers and browsers need to reach console and satellites by name',
  group: 'Use',
  configure(cmd, io) {
    cmd
      .option('--ca', 'only the certificate (PEM) of the authority that browsers have to trust for direct queries')
      .option('-o, --output <format>', 'text, json', 'text')
      .option('--context <name>', 'the cluster; default: the current one')
      .action(async ({ ca, output, context }: Options) => {
        const { EXIT, Failure } = await import('../../errors.ts');
        if (output !== 'text' && output !== 'json') {
          throw new Failure('usage', `There is no format ${output}.`, {
            remedy: 'Give text or json.',
            exitCode: EXIT.usage,
          });
        }
        const { API_PATHS } = await import('../../cloud/api-paths.ts');
        const { dnsText } = await import('../dns-printer.ts');
        const client = await cloudClient(io, context);
        const reply = await client.get<Parameters<typeof dnsText>[0]>(API_PATHS.dns, io.signal);
        if (ca === true) {
          if (reply.authority === null) {
            throw new Failure(
              'no-authority',
              'There is no authority of direct queries yet: no satellite has asked for a certificate.',
              { remedy: 'Look at `terrarium get satellites`.' },
            );
          }
          io.stdout.write(reply.authority);
          return;
        }
        io.stdout.write(output === 'json' ? `${JSON.stringify(reply, undefined, 2)}\n` : dnsText(reply));
      });
  },
};
