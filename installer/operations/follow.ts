import { EXIT, Failure } from '../../src/errors.ts';
import type { Host } from '../hosts/host.ts';
import type { PlanEvent } from '../plan/types.ts';

/**
 * Shows an operation's events from its beginning to its end. Only watches: the operation does not need this connection.
 * @throws Failure of the operation, `interrupted`, or `connection-lost`, which both leave it running.
 */
export async function followOperation(
  host: Host,
  program: string,
  operation: string,
  data: string,
  signal: AbortSignal,
  show: (event: PlanEvent) => void,
): Promise<void> {
  let rest = '';
  let end: Extract<PlanEvent, { type: 'end' }> | undefined;
  const take = (chunk: Buffer): void => {
    const lines = (rest + chunk.toString('utf8')).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line === '') {
        continue;
      }
      const event = JSON.parse(line) as PlanEvent;
      if (event.type === 'end') {
        end = event;
      }
      show(event);
    }
  };
  let ended;
  try {
    ended = await host.run([program, 'operation', 'follow', '--operation', operation, '--data', data, '--json'], {
      signal,
      onStdout: take,
    });
  } catch (error) {
    if (signal.aborted) {
      throw new Failure('interrupted', 'Interrupted: the operation goes on on the machines.', {
        remedy: 'Run the same command again to follow it, or `terrarium uninstall` to undo it.',
        exitCode: EXIT.interrupted,
      });
    }
    throw error;
  }
  if (end === undefined) {
    throw new Failure(
      'coordinator-gone',
      `${host.name}: the operation stopped before its end: ${ended.stderr.trim().split('\n').pop() ?? ''}`,
      { host: host.name, remedy: 'Run the same command again: it continues where it stopped.' },
    );
  }
  if (!end.ok) {
    const { code = 'failed', message = 'The operation failed.', host: where, remedy } = end.error ?? {};
    throw new Failure(code, message, {
      host: where,
      remedy: remedy ?? 'Run the same command again: it continues where it stopped.',
    });
  }
}
