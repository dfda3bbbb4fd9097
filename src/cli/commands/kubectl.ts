import { Failure } from '../../errors.ts';
import type { CommandModule } from '../command.ts';

export const command: CommandModule = {
  summary: 'Run kubectl on the cluster; everything behind it is passed through',
  group: 'Use',
  configure(cmd, io) {
    cmd
      .helpOption(false)
      .allowUnknownOption()
      .allowExcessArguments()
      .passThroughOptions()
      .argument('[arguments...]')
      .action(async (args: string[]) => {
        const { execa } = await import('execa');
        const { apiCacheFolder, kubectlProgram } = await import('../kubectl/program.ts');
        const { openKubeconfig } = await import('../kubectl/kubeconfig.ts');
        const [program, kubeconfig] = [await kubectlProgram(io.env), await openKubeconfig(io.env)];
        try {
          // A first Ctrl-C reaches kubectl by the terminal; a signal sent to us alone is passed on.
          const child = execa(program, args, {
            stdio: 'inherit',
            reject: false,
            env: { KUBECONFIG: kubeconfig.path, KUBECACHEDIR: apiCacheFolder(io.env) },
            cancelSignal: io.signal,
          });
          const result = await child;
          if (result.exitCode === undefined && result.signal === undefined && !result.isCanceled) {
            throw new Failure('no-kubectl', `kubectl cannot be started: ${result.shortMessage}.`);
          }
          process.exitCode = result.exitCode ?? 130;
        } finally {
          kubeconfig.remove();
        }
      });
  },
};
