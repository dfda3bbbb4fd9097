import type { CommandModule } from '../command.ts';
import type { InstallCommandOptions } from '../install.ts';
import { addTargetOptions } from '../targets.ts';

export const command: CommandModule = {
  summary: 'Install a cluster on the machines of a cluster.yaml, by ssh, or on this one',
  group: 'Set up',
  configure(cmd, io) {
    addTargetOptions(cmd)
      .option('--console-name <name>', 'DNS name of the console, put into its certificate')
      .option('--tls-cert <file>', 'your own certificate for the console (PEM, with its chain)')
      .option('--tls-key <file>', 'its private key (PEM)')
      .option('--bundle <file>', 'install what this bundle of a vendor holds; it has to be of the same version')
      .option(
        '--trust-key <key>',
        'with --bundle: take one that is signed by this key: 64 hexadecimal digits, or a PEM file',
      )
      .option('--json', 'print events as JSON, one object a line')
      .addHelpText(
        'after',
        `
Running the same command again continues an install that was interrupted.
Examples:
  terrarium install -f cluster.yaml
  terrarium install --hosts 10.0.0.11,10.0.0.12,10.0.0.13 --ssh-user admin --ssh-key ~/.ssh/id_ed25519
  terrarium install                     (this machine only; others join later)`,
      )
      .action(async (options: InstallCommandOptions) => {
        const { runInstallCommand } = await import('../install.ts');
        await runInstallCommand(options, io);
      });
  },
};
