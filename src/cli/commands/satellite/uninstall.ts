import type { CommandModule } from '../../command.ts';

export const command: CommandModule = {
  summary: 'Take away the satellite that `satellite install` has installed on this machine',
  group: 'Set up',
  configure(cmd, io) {
    cmd
      .option('--root <dir>', 'from a machine below this folder, which does not run', '/')
      .addHelpText(
        'after',
        '\nRunning the same command again removes what an interrupted one has left. The cluster is not asked: ' +
          'revoke or delete the satellite there.',
      )
      .action(async (options: { root: string }) => {
        const { resolve } = await import('node:path');
        const { EXIT, Failure } = await import('../../../errors.ts');
        const { serviceManager } = await import('../../../satellite/service/systemd.ts');
        const { uninstallService } = await import('../../../satellite/service/uninstall.ts');
        if (process.getuid?.() !== 0) {
          throw new Failure('not-root', 'Only root may remove a service.', {
            remedy: 'Run it with sudo.',
            exitCode: EXIT.usage,
          });
        }
        const root = resolve(options.root);
        const id = await uninstallService({
          root,
          manager: serviceManager(root),
          log: (line) => io.stderr.write(`${line}\n`),
        });
        io.stdout.write(
          id === undefined
            ? 'There is no satellite of this machine (any more).\n'
            : `The satellite ${id} is gone from this machine. In the cluster it is unreachable until \`terrarium ` +
                `satellite revoke ${id}\` or \`terrarium delete satellites ${id}\`.\n`,
        );
      });
  },
};
