import type { CommandModule } from '../../command.ts';

const ADMIN_CONF = '/etc/kubernetes/admin.conf';
const SECRET = '/api/v1/namespaces/terrarium-system/secrets/credentials';

export const command: CommandModule = {
  summary: "set a new password for the console (as root on a control-plane node)",
  group: 'Operate',
  configure(cmd, io) {
    cmd.option('--user <name>', 'whose password', 'admin').action(async (options: { user: string }) => {
      const { randomBytes } = await import('node:crypto');
      const { existsSync } = await import('node:fs');
      const { EXIT, Failure } = await import('../../../errors.ts');
      if (options.user !== 'admin') throw new Failure('no-user', `There is no user ${options.user}; the console has one user, admin.`, { exitCode: EXIT.usage });
      if (process.getuid?.() !== 0) throw new Failure('not-root', 'Only root may set the password.', { remedy: 'Run it with sudo.', exitCode: EXIT.usage });
      if (!existsSync(ADMIN_CONF)) {
        throw new Failure('not-control-plane', `This machine is no control-plane node: ${ADMIN_CONF} is missing.`, { remedy: 'Run it on a control-plane node of the cluster.', exitCode: EXIT.usage });
      }
      const { hashPassword } = await import('../../../cloud/auth/password.ts');
      const { createKubeClient, KubeError } = await import('../../../kube/client.ts');
      const { loadKubeconfig } = await import('../../../kube/kubeconfig.ts');
      const password = randomBytes(12).toString('base64url');
      const data = {
        adminPasswordHash: Buffer.from(await hashPassword(password)).toString('base64'),
        // Another key ends every session that the old password opened.
        sessionKey: Buffer.from(randomBytes(32).toString('base64')).toString('base64'),
      };
      const client = createKubeClient(loadKubeconfig(ADMIN_CONF));
      try {
        await client.request(SECRET, { method: 'PATCH', body: { data }, contentType: 'application/merge-patch+json' });
      } catch (error) {
        if (!(error instanceof KubeError)) throw error;
        throw new Failure('reset-failed', `The password was not changed: ${error.message}.`, { remedy: 'Check that the API server runs (`terrarium status`), then run the command again.', cause: error });
      } finally {
        client.close();
      }
      io.stderr.write('The password of admin has been changed; all sessions of the console have ended. It is shown only once:\n');
      io.stdout.write(`${password}\n`);
    });
  },
};
