import type { CommandModule } from '../../command.ts';

const ADMIN_CONF = '/etc/kubernetes/admin.conf';

export const command: CommandModule = {
  summary: 'Set a new password for the console (as root on a control-plane node)',
  group: 'Operate',
  configure(cmd, io) {
    cmd.option('--user <name>', 'whose password', 'admin').action(async (options: { user: string }) => {
      const { existsSync } = await import('node:fs');
      const { EXIT, Failure } = await import('../../../errors.ts');
      if (options.user !== 'admin') {
        throw new Failure('no-user', `The way back in is for admin, not for ${options.user}.`, {
          remedy: 'As admin, give other users a new password by PATCH /api/v1/users/NAME.',
          exitCode: EXIT.usage,
        });
      }
      if (process.getuid?.() !== 0) {
        throw new Failure('not-root', 'Only root may set the password.', {
          remedy: 'Run it with sudo.',
          exitCode: EXIT.usage,
        });
      }
      if (!existsSync(ADMIN_CONF)) {
        throw new Failure('not-control-plane', `This machine is no control-plane node: ${ADMIN_CONF} is missing.`, {
          remedy: 'Run it on a control-plane node of the cluster.',
          exitCode: EXIT.usage,
        });
      }
      const { createKubeClient } = await import('../../../kube/client.ts');
      const { loadKubeconfig } = await import('../../../kube/kubeconfig.ts');
      const { resetPassword } = await import('../../reset-password.ts');
      const client = createKubeClient(loadKubeconfig(ADMIN_CONF));
      try {
        const password = await resetPassword(client);
        io.stderr.write(
          'The password of admin has been changed; the clouds take it within seconds and end the sessions of ' +
            'admin. It is shown only this once, and the console asks for one of your own:\n',
        );
        io.stdout.write(`${password}\n`);
      } finally {
        client.close();
      }
    });
  },
};
