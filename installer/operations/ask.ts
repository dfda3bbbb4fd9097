import type { z } from 'zod';
import { Failure } from '../../src/errors.ts';
import type { Host } from '../hosts/host.ts';

/**
 * Runs one of the internal `terrarium node …` commands on a host: JSON in by stdin, JSON out.
 * @throws Failure `node-step` with what the command said.
 */
export async function ask<T>(
  host: Host,
  program: string,
  verb: string,
  answer: z.ZodType<T>,
  input: unknown,
  signal?: AbortSignal,
): Promise<T> {
  const { exitCode, stdout, stderr } = await host.run([program, 'node', verb], {
    input: JSON.stringify(input),
    signal,
    timeoutMs: 60_000,
  });
  if (exitCode !== 0) {
    const said = stderr.trim().split('\n').pop() ?? '';
    throw new Failure(
      'node-step',
      `${host.name}: ` +
        `${said === '' ? `\`node ${verb}\` ended with exit code ${exitCode}` : said.replace(/^Error: /, '')}`,
      { host: host.name },
    );
  }
  return answer.parse(JSON.parse(stdout));
}
