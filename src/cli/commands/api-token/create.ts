import { EXIT, Failure } from '../../../errors.ts';
import { cloudClient } from '../../cloud-client.ts';
import type { CommandModule } from '../../command.ts';
import { repeatable } from '../../repeatable.ts';

interface Options {
  scope: string[];
  days: string;
  context?: string;
}

const SCOPES = ['read', 'query', 'operate', 'admin', 'metrics'];

export const command: CommandModule = {
  summary: 'Create a token by which a program may use the API',
  group: 'Operate',
  configure(cmd, io) {
    cmd
      .argument('<name>', 'what it is for')
      .requiredOption('--scope <right>', `what it may do: ${SCOPES.join(', ')}; repeatable`, repeatable)
      .option('--days <n>', 'how long it is good for, a year at most', '90')
      .option('--context <name>', 'the cluster; default: the current one')
      .addHelpText(
        'after',
        '\n' +
          'It belongs to who runs the command, and may do no more than he. `terrarium get tokens` lists them, ' +
          '`terrarium delete tokens ID` ends one.\n',
      )
      .action(async (name: string, options: Options) => {
        const { API_PATHS } = await import('../../../cloud/api-paths.ts');
        const days = Number(options.days);
        const unknown = options.scope.find((s) => !SCOPES.includes(s));
        const usage = (message: string, remedy: string): Failure =>
          new Failure('usage', message, { remedy, exitCode: EXIT.usage });
        if (unknown !== undefined) {
          throw usage(`There is no right ${unknown}.`, `Rights are ${SCOPES.join(', ')}.`);
        }
        if (!(Number.isInteger(days) && days > 0)) {
          throw usage(`--days ${options.days} is no whole number of days.`, 'Give a number.');
        }
        const client = await cloudClient(io, options.context);
        const made = await client.change<{ id: string; token: string; expiresAt: string }>(
          'POST',
          API_PATHS.tokens,
          { name, scopes: [...new Set(options.scope)], days },
          io.signal,
        );
        if (made === undefined) {
          throw new Failure('broken-off', 'The cloud has answered nothing.', {
            remedy: 'Look at `terrarium get tokens`.',
          });
        }
        io.stderr.write(`The token ${made.id} is good until ${made.expiresAt}. It is shown only this once:\n`);
        io.stdout.write(`${made.token}\n`);
      });
  },
};
