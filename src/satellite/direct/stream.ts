import type { ServerResponse } from 'node:http';
import type { Claims } from '../../bus/direct-token.ts';
import { ALIVE_MS, CREDITS, CREDIT_GROUP, IDLE_READER_MS, creditsOf } from '../../bus/frames.ts';
import type { FailureData } from '../../errors.ts';
import type { Outcome } from '../sql/child.ts';
import type { Pool, Ticket } from '../sql/pool.ts';

/** A query that answers to one reader. */
export interface Running {
  /** Ends it with this. */
  fail(error: FailureData): void;
}

/**
 * Runs a statement and writes its lines, as the cloud's for one satellite: batches, then `end` or `error`. An empty
 * line says that it is alive.
 * The statement goes on as fast as the socket takes rows; a reader who goes away, or takes none for 30 s, ends it.
 */
export function streamQuery(options: {
  res: ServerResponse;
  pool: Pool;
  claims: Claims;
  sql: string;
  idleMs?: number;
  done(): void;
}): Running {
  const { res, pool, claims, sql, done } = options;
  const { q, sat } = claims;
  const started = performance.now();
  const idleMs = options.idleMs ?? IDLE_READER_MS;
  let owed = 0;
  let idle: NodeJS.Timeout | undefined;
  let over = false;
  const alive = setInterval(() => {
    if (!res.writableNeedDrain) {
      res.write('\n');
    }
  }, ALIVE_MS);
  const end = (): boolean => {
    if (over) {
      return false;
    }
    over = true;
    clearInterval(alive);
    clearTimeout(idle);
    ticket.stop();
    done();
    return true;
  };
  const finish = (line: object): void => {
    if (end()) {
      res.end(`${JSON.stringify({ q, sat, ...line })}\n`);
    }
  };
  const giveBack = (): void => {
    if (owed === 0 || over) {
      return;
    }
    ticket.grant(owed);
    owed = 0;
  };
  res.on('close', end);
  res.on('drain', () => {
    clearTimeout(idle);
    giveBack();
  });
  const ticket: Ticket = pool.run({
    q,
    sat,
    sql,
    maxRows: claims.maxRows,
    maxBytes: claims.maxBytes,
    timeoutMs: claims.timeoutMs,
    credits: CREDITS,
    onBatch(frame) {
      owed += creditsOf(frame);
      if (res.write(`${frame}\n`)) {
        if (owed >= CREDIT_GROUP) {
          giveBack();
        }
        return;
      }
      clearTimeout(idle);
      idle = setTimeout(() => {
        if (end()) {
          res.destroy();
        }
      }, idleMs);
    },
    onEnd: (outcome) => finish(lastLine(outcome, started)),
  });
  return { fail: ({ code, message }) => finish({ error: { code, message } }) };
}

function lastLine(outcome: Outcome, started: number): object {
  if ('error' in outcome) {
    return { error: { code: outcome.error.code, message: outcome.error.message } };
  }
  const { rows, truncated } = outcome.end;
  const ms = Math.round((performance.now() - started) * 10) / 10;
  return { end: { rows, ms, ...(truncated === undefined ? {} : { truncated }) } };
}
