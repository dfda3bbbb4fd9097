import type { Diagnosis } from '../../context/diagnosis.ts';
import { EXIT, type ExitCode } from '../../errors.ts';
import type { CommandModule } from '../command.ts';

function exitCodeOf({ healthy, reachable }: Diagnosis): ExitCode {
  if (healthy) {
    return EXIT.ok;
  }
  return reachable ? EXIT.failed : EXIT.unreachable;
}

export const command: CommandModule = {
  summary: 'Show the health of machines, Kubernetes, cloud and satellites',
  group: 'Use',
  configure(cmd, io) {
    cmd
      .option('--json', 'print all of it as one JSON object')
      .option('--context <name>', 'the cluster; default: the current one')
      .addHelpText(
        'after',
        '\nExit codes: 0 everything is healthy, 1 something is wrong (listed at the end), 5 no machine answers.\n',
      )
      .action(async (options: { json?: boolean; context?: string }) => {
        const { loadContext } = await import('../../context/context.ts');
        const { survey } = await import('../../context/survey.ts');
        const { diagnose } = await import('../../context/diagnosis.ts');
        const context = loadContext(io.env, options.context);
        const { refreshContext } = await import('../../context/refresh.ts');
        const found = await survey(context);
        const state = diagnose(found);
        if (found.overview !== undefined) {
          refreshContext(io.env, context, found.overview);
        }
        if (options.json === true) {
          io.stdout.write(
            `${JSON.stringify({ cluster: { id: context.clusterId, name: context.name }, ...state }, null, 2)}\n`,
          );
        } else {
          const { statusText } = await import('../status-printer.ts');
          io.stdout.write(statusText(context, state));
        }
        process.exitCode = exitCodeOf(state);
      });
  },
};
