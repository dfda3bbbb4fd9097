import { InvalidArgumentError, Option } from 'commander';
import { cloudClient } from '../cloud-client.ts';
import type { CommandModule } from '../command.ts';

export const command: CommandModule = {
  summary: 'Delete users, tokens, sessions, saved queries, schedules or satellites',
  group: 'Use',
  configure(cmd, io) {
    cmd
      .argument('<kind>', 'users, tokens, enrolment-tokens, sessions, queries, schedules, satellites')
      .argument('<names...>', 'which')
      .option('--expect <version>', 'only what still has this version', (text) => {
        if (!/^\d{1,15}$/.test(text)) {
          throw new InvalidArgumentError('It must be a version, as `get -o wide` shows it.');
        }
        return Number(text);
      })
      .addOption(
        new Option('-o, --output <format>', 'name: print what was deleted as KIND/NAME alone')
          .choices(['text', 'name'])
          .default('text'),
      )
      .option('--context <name>', 'the cluster; default: the current one')
      .addHelpText(
        'after',
        '\nExit codes: 0 done, 1 nothing was deleted, 2 bad input, 3 only some were, 5 no machine answers.\n',
      )
      .action(
        async (
          word: string,
          names: string[],
          options: { expect?: number; output: 'text' | 'name'; context?: string },
        ) => {
          const { EXIT, Failure, explain, failureData } = await import('../../errors.ts');
          const { kindOf } = await import('../resources.ts');
          const kind = kindOf(word);
          if (!kind.deletable) {
            throw new Failure('usage', `${kind.name} cannot be deleted.`, { exitCode: EXIT.usage });
          }
          const { outcome } = await import('../partial.ts');
          const client = await cloudClient(io, options.context);
          const expect = options.expect === undefined ? '' : `?expect=${options.expect}`;
          const failed = new Map<string, string>();
          let done = 0;
          for (const name of new Set(names)) {
            try {
              const path = `${kind.path}/${encodeURIComponent(name)}${expect}`;
              await client.change('DELETE', path, undefined, io.signal);
              io.stdout.write(`${kind.name}/${name}${options.output === 'name' ? '' : ' deleted'}\n`);
              done += 1;
            } catch (error) {
              if (io.signal.aborted || !(error instanceof Failure) || error.exitCode === EXIT.unreachable) {
                throw error;
              }
              failed.set(name, explain(failureData(error)));
            }
          }
          outcome(io, done, failed);
        },
      );
  },
};
