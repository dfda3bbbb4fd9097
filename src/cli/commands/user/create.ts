import { Option } from 'commander';
import { cloudClient } from '../../cloud-client.ts';
import type { CommandModule } from '../../command.ts';

interface Options {
  role: 'admin' | 'operator' | 'viewer';
  passwordFile?: string;
  context?: string;
}

/** Random bytes of a password that is made here: 120 bits. */
const PASSWORD_BYTES = 15;

export const command: CommandModule = {
  summary: 'Create a user of console and API, who chooses another password at the first login',
  group: 'Operate',
  configure(cmd, io) {
    cmd
      .argument('<name>', 'small letters, digits, . _ @ -')
      .addOption(
        new Option('--role <role>', 'what the user may do').choices(['admin', 'operator', 'viewer']).default('viewer'),
      )
      .option('--password-file <file>', 'the first password, or - for stdin; without it one is made and printed')
      .option('--context <name>', 'the cluster; default: the current one')
      .addHelpText('after', '\n`terrarium get users` lists them, `terrarium delete users NAME` deletes one.\n')
      .action(async (name: string, options: Options) => {
        const { randomBytes } = await import('node:crypto');
        const { API_PATHS } = await import('../../../cloud/api-paths.ts');
        const { readSecret } = await import('../../secret-input.ts');
        const made = options.passwordFile === undefined ? randomBytes(PASSWORD_BYTES).toString('base64url') : undefined;
        const password =
          made ??
          (await readSecret(io, {
            what: 'password',
            file: options.passwordFile,
            spaces: true,
            remedy: 'Give a file with at least 12 characters.',
          }));
        const client = await cloudClient(io, options.context);
        await client.change('POST', API_PATHS.users, { name, role: options.role, password }, io.signal);
        if (made === undefined) {
          io.stdout.write(`users/${name} created\n`);
          return;
        }
        io.stderr.write(
          `The user ${name} has been created. This password is for the first login and is shown only this once:\n`,
        );
        io.stdout.write(`${made}\n`);
      });
  },
};
