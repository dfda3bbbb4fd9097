import { Failure, failureData, type FailureData } from '../../src/errors.ts';

function firstLine(text: string): string {
  return (
    text
      .split('\n')
      .find((line) => line.trim() !== '')
      ?.trim() ?? ''
  );
}

function lastLine(text: string): string {
  return firstLine(text.split('\n').toReversed().join('\n'));
}

/**
 * The wire form of what a phase threw, with its machine. A program that failed (an error of execa) becomes one
 * sentence: what was run, how it ended, the last line that it said.
 */
export function phaseFailure(error: unknown, title: string, host: string): FailureData {
  if (error instanceof Failure) {
    return { host, ...failureData(error) };
  }
  const program = error as { shortMessage?: unknown; stderr?: unknown };
  if (error instanceof Error && typeof program.shortMessage === 'string') {
    const said = typeof program.stderr === 'string' ? lastLine(program.stderr) : '';
    return {
      code: 'program-failed',
      message: `${title} failed: ${firstLine(program.shortMessage)}${said === '' ? '' : ` (${said})`}.`,
      host,
    };
  }
  return {
    code: 'internal',
    message: `${title} failed: ${firstLine(error instanceof Error ? error.message : String(error))}.`,
    host,
  };
}

/** Rebuilds what came over the wire. */
export function failureFrom(data: FailureData): Failure {
  return new Failure(data.code, data.message, { host: data.host, remedy: data.remedy });
}

/** All that is known of an error, for a log file. */
export function details(error: unknown): string {
  if (!(error instanceof Error)) {
    return String(error);
  }
  const cause = error.cause === undefined ? '' : `\ncaused by: ${details(error.cause)}`;
  return `${error.stack ?? error.message}${cause}`;
}
