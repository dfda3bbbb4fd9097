import { Option } from 'commander';
import type { CommandModule } from '../command.ts';
import type { JoinOptions } from '../join.ts';

export const command: CommandModule = {
  summary: 'Join this machine to a cluster, without ssh (run as root on the machine)',
  group: 'Set up',
  configure(cmd, io) {
    cmd
      .argument('<control-plane>', 'address of a control-plane node, with :port if it is not 7444')
      .addOption(
        new Option(
          '--token <token>',
          'one-time token; `terrarium token create` on a control plane makes one',
        ).makeOptionMandatory(),
      )
      .addOption(new Option('--ca-hash <sha256:hex>', "fingerprint of the cluster's CA").makeOptionMandatory())
      .addOption(
        new Option('--role <role>', 'what this machine becomes')
          .choices(['control-plane', 'worker'])
          .default('control-plane'),
      )
      .option('--name <name>', 'node name (default: the host name)')
      .option(
        '--address <address>',
        'address by which the others reach this machine (default: the one that reaches the control plane)',
      )
      .option(
        '--ignore <CODE=REASON>',
        'go on although this preflight check fails; repeatable',
        (value: string, all: string[] = []) => [...all, value],
      )
      .option('--json', 'print events as JSON, one object a line')
      .addHelpText('after', '\nRunning the same command again continues a join that was interrupted.')
      .action(async (controlPlane: string, options: JoinOptions) => {
        const { runJoin } = await import('../join.ts');
        await runJoin(controlPlane, options, io);
      });
  },
};
