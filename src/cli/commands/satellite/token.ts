import { EXIT, Failure } from '../../../errors.ts';
import { cloudClient } from '../../cloud-client.ts';
import type { CommandModule } from '../../command.ts';
import { repeatable } from '../../repeatable.ts';

interface Options {
  ttl: string;
  tag?: string[];
  context?: string;
}

export const command: CommandModule = {
  summary: 'Print the command by which one machine outside the cluster becomes a satellite',
  group: 'Set up',
  configure(cmd, io) {
    cmd
      .option('--ttl <minutes>', 'how long the token is good for', '60')
      .option('--tag <name=value>', 'a tag that the satellite gets; repeatable', repeatable)
      .option('--context <name>', 'the cluster; default: the current one')
      .addHelpText(
        'after',
        '\n`terrarium get enrolment-tokens` lists the tokens, `terrarium delete enrolment-tokens ID` ends one.\n',
      )
      .action(async (options: Options) => {
        const { ENROLMENT_PATHS } = await import('../../../cloud/api-paths.ts');
        const { TOKEN_MINUTES } = await import('../../../cloud/satellites-api.ts');
        const { tagOptions } = await import('../../tag-options.ts');
        type Reply = import('../../../cloud/satellites-api.ts').EnrolmentTokenReply;
        const minutes = Number(options.ttl);
        if (!(Number.isInteger(minutes) && minutes > 0 && minutes <= TOKEN_MINUTES.most)) {
          throw new Failure('usage', `--ttl ${options.ttl} is no whole number of minutes up to a week.`, {
            exitCode: EXIT.usage,
          });
        }
        const client = await cloudClient(io, options.context);
        const made = await client.change<Reply>(
          'POST',
          ENROLMENT_PATHS.tokens,
          { minutes, tags: tagOptions(options.tag) },
          io.signal,
        );
        if (made === undefined) {
          throw new Failure('broken-off', 'The cloud has answered nothing.', { remedy: 'Run the command again.' });
        }
        io.stdout.write(
          `echo ${made.token} | sudo terrarium satellite install ${made.addresses.join(',')} --ca-hash ` +
            `${made.caHash}\n`,
        );
      });
  },
};
