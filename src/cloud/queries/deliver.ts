import type { QueryState } from '../../api/queries.ts';
import { HttpProblem } from '../http/problem.ts';
import type { Parts } from './parts.ts';
import type { Query, QuerySink } from './query.ts';

export interface Delivery {
  parts: Pick<Parts, 'giveBack' | 'enough'>;
  sink: QuerySink;
  signal: AbortSignal;
  /** Milliseconds that a reader may take nothing. */
  idleMs: number;
  /** Milliseconds since the query's start. */
  elapsed(): number;
}

/**
 * Brings a query's lines to its reader until the last one, `done`, has been taken. A satellite gets its credits back
 * when the reader has got its batch.
 * @throws HttpProblem 408 for a reader that takes nothing for too long; what the sink throws; the signal's reason
 */
export async function deliver(query: Query, { parts, sink, signal, idleMs, elapsed }: Delivery): Promise<void> {
  let shown = 0;
  for (;;) {
    signal.throwIfAborted();
    const given = query.lines.next();
    if (given !== undefined) {
      await taken(sink.write(given.line, given.json), idleMs);
      if ('rows' in given.line && 'sat' in given.line) {
        shown += given.line.rows.length;
      }
      for (const sat of given.spent) {
        parts.giveBack(query, sat);
      }
    } else if (query.lines.full()) {
      for (const line of parts.enough(query, elapsed())) {
        await taken(sink.write(line), idleMs);
      }
      break;
    } else if ([...query.parts.values()].every((p) => p.state !== 'pending')) {
      break;
    } else {
      await new Promise<void>((resolve) => (query.wake = resolve));
    }
  }
  const states = Object.fromEntries([...query.parts].map(([sat, p]): [string, QueryState] => [sat, p.state]));
  await taken(sink.write({ q: query.id, done: true, satellites: states, rows: shown, ms: elapsed() }), idleMs);
}

/** Waits for a reader. @throws HttpProblem 408 for one that takes nothing for too long, which counts as gone */
async function taken(write: Promise<void>, idleMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  try {
    await Promise.race([
      write,
      new Promise<never>((_, reject) => {
        timer = setTimeout(
          () => reject(new HttpProblem(408, 'idle-reader', `The reader took nothing for ${idleMs / 1000} s.`)),
          idleMs,
        );
      }),
    ]);
  } finally {
    clearTimeout(timer);
  }
}
