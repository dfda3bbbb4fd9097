import type { z } from 'zod';
import { EXIT, Failure } from '../errors.ts';
import type { Io } from './command.ts';

/** Internal commands talk JSON: their arguments may be secret, so they come by stdin and not by argv. */
export async function readInput<T>(io: Io, schema: z.ZodType<T>): Promise<T> {
  const chunks: Buffer[] = [];
  for await (const chunk of io.stdin) {
    chunks.push(Buffer.from(chunk as Buffer));
  }
  const parsed = schema.safeParse(JSON.parse(Buffer.concat(chunks).toString('utf8')));
  if (!parsed.success) {
    throw new Failure(
      'bad-input',
      `The input is not valid: ${parsed.error.issues[0]?.path.join('.') ?? ''}: ` +
        `${parsed.error.issues[0]?.message ?? ''}.`,
      { exitCode: EXIT.usage },
    );
  }
  return parsed.data;
}

export function writeOutput(io: Io, value: unknown): void {
  io.stdout.write(`${JSON.stringify(value)}\n`);
}
