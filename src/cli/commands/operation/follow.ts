import { Option } from 'commander';
import { EXIT, Failure, type FailureData } from '../../../errors.ts';
import type { CommandModule } from '../../command.ts';

export const command: CommandModule = {
  summary: 'Watch an operation that this node coordinates, from its beginning to its end',
  group: 'Operate',
  configure(cmd, io) {
    cmd
      .addOption(new Option('--operation <id>', 'the operation (default: the last one)'))
      .option('--from <line>', 'begin with this line of its events', (text) => wholeNumber(text), 0)
      .option('--data <dir>', 'where the cluster keeps its state (default: /var/lib/terrarium)')
      .option('--json', 'print the events as they are, one JSON object a line', false)
      .action(async (options: { operation?: string; from: number; data?: string; json: boolean }) => {
        const [
          { follow },
          { lastOperation, noOperation },
          { operationFiles },
          { COORDINATOR_UNIT, isAlive, unitState },
          { DEFAULT_DATA },
          { chooseReporter },
        ] = await Promise.all([
          import('../../../../installer/plan/follow.ts'),
          import('../../../../installer/plan/status.ts'),
          import('../../../../installer/plan/files.ts'),
          import('../../../../installer/plan/units.ts'),
          import('../../../../installer/cluster/spec.ts'),
          import('../../reporters/choose.ts'),
        ]);
        const data = options.data ?? DEFAULT_DATA;
        const operation = options.operation ?? lastOperation(data);
        if (operation === undefined) {
          throw noOperation();
        }
        const alive = async (): Promise<boolean> => {
          const state = await unitState(COORDINATOR_UNIT);
          return isAlive(state) && state.operation === operation;
        };
        const reporter = await chooseReporter({
          json: options.json,
          isTTY: io.stdout.isTTY === true,
          stdout: io.stdout,
        });
        try {
          for await (const { event } of follow({
            path: operationFiles(data, operation).events,
            from: options.from,
            isAlive: alive,
            signal: io.signal,
          })) {
            reporter.event(event);
            if (event.type === 'end' && !event.ok) {
              if (!options.json) {
                throw failed(event.error);
              }
              process.exitCode = EXIT.failed;
            }
          }
        } finally {
          await reporter.finish();
        }
      });
  },
};

function failed(error: FailureData | undefined): Failure {
  return error === undefined
    ? new Failure('operation-failed', 'The operation failed.')
    : new Failure(error.code, error.message, { host: error.host, remedy: error.remedy });
}

function wholeNumber(text: string): number {
  if (/^\d+$/.test(text)) {
    return Number(text);
  }
  throw new Failure('usage', `--from takes a line number, not '${text}'.`, { exitCode: EXIT.usage });
}
