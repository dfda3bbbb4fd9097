import type { QueryLine } from '../../../../src/api/queries.ts';
import type { QueryProxy } from '../../../../src/cloud/queries.ts';
import type { QuerySpec } from '../../../../src/cloud/queries/query.ts';
import type { Fake, FakeAnswer } from './fake.ts';

export interface Outcome {
  lines: QueryLine[];
  done: Extract<QueryLine, { done: true }>;
}

export interface RunOptions {
  write?: (line: QueryLine) => Promise<void>;
  signal?: AbortSignal;
  timeoutMs?: number;
  merge?: QuerySpec['merge'];
}

/** The proxy and its satellites, as the tests use them. */
export interface ProxyWorld {
  /** A satellite that answers each request by `answer`. */
  fake(sat: string, answer: FakeAnswer): Promise<Fake>;
  /** A query to its end. */
  run(sats: string[], options?: RunOptions): Promise<Outcome>;
}

export async function runQuery(proxy: QueryProxy, sats: string[], options: RunOptions = {}): Promise<Outcome> {
  const lines: QueryLine[] = [];
  const write = async (line: QueryLine): Promise<void> => {
    lines.push(line);
    await options.write?.(line);
  };
  await proxy.run(
    {
      sql: 'select 1',
      satellites: sats,
      timeoutMs: options.timeoutMs ?? 10_000,
      maxRows: 1000,
      maxBytes: 1e6,
      merge: options.merge,
    },
    { write },
    options.signal ?? new AbortController().signal,
  );
  const done = lines.at(-1);
  if (done === undefined || !('done' in done)) {
    throw new Error('no end');
  }
  return { lines, done };
}
