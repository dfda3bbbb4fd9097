import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { IDLE_READER_MS, LOST_MS, STILL_READ_MS, encode } from '../bus/frames.ts';
import { listen } from '../bus/listen.ts';
import { parseReply, subjects } from '../bus/subjects.ts';
import { guarded } from '../guarded.ts';
import { orderedSql } from './line-order.ts';
import { createAnswers } from './queries/answers.ts';
import { deliver } from './queries/deliver.ts';
import { createParts, type Parts } from './queries/parts.ts';
import { createPings } from './queries/pings.ts';
import { microseconds, newQuery, type Query, type QuerySink, type QuerySpec } from './queries/query.ts';

const TICK_MS = 500;
/** Beyond a query's own time limit, which the satellite keeps, after which the cloud ends it. */
const OVERTIME_MS = 5_000;
/** Queries at once in one instance; and of one user, so that nobody can hold them all. */
export const MAX_QUERIES = 50;
export const MAX_QUERIES_OF_USER = 10;

export interface QueryProxy {
  /**
   * Runs a query to its end, the `done` line included. Aborting the signal, or a sink that fails, cancels it on every
   * satellite. @throws HttpProblem 408 where the sink takes nothing for 30 s
   */
  run(spec: QuerySpec, sink: QuerySink, signal: AbortSignal): Promise<void>;
  /**
   * Sends a few bytes to a satellite and has them come back.
   * @returns milliseconds from here to there and back @throws Error where they do not come back within `LOST_MS`
   */
  ping(sat: string, data: string): Promise<number>;
  /** Queries that run now: all of them, or one user's. */
  active(user?: string): number;
  stop(): void;
}

export interface QueryProxyOptions {
  /** This instance's name. */
  instance: string;
  nc: NatsConnection;
  isKnown(sat: string): boolean;
  /** Whether it may be asked through the cloud; default: each may. */
  isOpen?(sat: string): boolean;
  log(line: string): void;
  /** Milliseconds that a reader may take nothing. */
  idleMs?: number;
  /** Monotonic clock, in milliseconds. */
  now?: () => number;
}

/**
 * The way of queries from this instance to satellites and back. One subscription serves all queries, so that none is
 * left behind by a cancelled one; what is under way is bounded by credits, which are given back only when the reader
 * has taken a batch.
 */
export function createQueryProxy({
  instance,
  nc,
  isKnown,
  isOpen = () => true,
  log,
  idleMs = IDLE_READER_MS,
  now = () => performance.now(),
}: QueryProxyOptions): QueryProxy {
  const queries = new Map<string, Query>();
  const pings = createPings(instance, nc, now);
  const parts = createParts(nc, now);
  const answers = createAnswers(parts, now);

  const receive = (msg: Msg): void => {
    const subject = parseReply(msg.subject);
    if (subject === undefined || pings.receive(subject.query, subject.sat, msg)) {
      return;
    }
    const query = queries.get(subject.query);
    const part = query?.parts.get(subject.sat);
    if (query !== undefined && part?.state === 'pending') {
      answers.receive(query, subject.sat, part, msg);
    }
  };
  const subscription = listen(nc, subjects.repliesTo(instance), { log }, receive);
  const tick = (): void => {
    for (const query of queries.values()) {
      endSilent(query, parts, now);
    }
  };
  const timer = setInterval(guarded('queries', log, tick), TICK_MS);

  return {
    active: (user) =>
      user === undefined ? queries.size : [...queries.values()].filter((q) => q.spec.user === user).length,
    ping: pings.ping,
    stop() {
      clearInterval(timer);
      subscription.unsubscribe();
    },
    async run(spec, sink, signal) {
      const began = now();
      const query = newQuery(spec, began);
      queries.set(query.id, query);
      const onAbort = (): void => query.wake();
      signal.addEventListener('abort', onAbort);
      try {
        send(query, { instance, nc, isKnown, isOpen, parts });
        await deliver(query, { parts, sink, signal, idleMs, elapsed: () => microseconds(now() - began) });
      } finally {
        signal.removeEventListener('abort', onAbort);
        queries.delete(query.id);
        for (const [sat, part] of query.parts) {
          if (part.state === 'pending') {
            parts.cancel(query, sat);
          }
        }
      }
    },
  };
}

/** Sends a query to its satellites; fails the parts of those that may not be asked. */
function send(
  query: Query,
  {
    instance,
    nc,
    isKnown,
    isOpen,
    parts,
  }: Pick<QueryProxyOptions, 'instance' | 'nc' | 'isKnown'> & { isOpen(sat: string): boolean; parts: Parts },
): void {
  const { sql, merge, timeoutMs, maxRows, maxBytes } = query.spec;
  const statement = merge === undefined ? sql : orderedSql(sql, merge.order, merge.limit);
  for (const [sat, part] of query.parts) {
    if (!isKnown(sat)) {
      parts.fail(query, sat, part, 'error', 'satellite.unknown', `There is no satellite ${sat}.`);
      continue;
    }
    if (!isOpen(sat)) {
      const message = `${sat} is not to be asked through the cloud, by an operator's choice.`;
      parts.fail(query, sat, part, 'error', 'satellite.direct-only', message);
      continue;
    }
    const request = encode({ q: query.id, sql: statement, timeoutMs, maxRows, maxBytes, credits: query.credits });
    nc.publish(subjects.query(sat), request, { reply: subjects.reply(instance, query.id, sat) });
  }
}

/** Ends the parts of satellites that are silent, or slower than they may be; tells the others of a slow reader. */
function endSilent(query: Query, parts: Parts, now: () => number): void {
  const { timeoutMs } = query.spec;
  for (const [sat, part] of query.parts) {
    if (part.state !== 'pending') {
      continue;
    }
    if (part.credits > 0) {
      part.worked += TICK_MS;
    } else if (now() - part.grantedAt >= STILL_READ_MS) {
      parts.grant(query, sat, part);
    }
    if (now() - part.lastHeard > LOST_MS) {
      const message = `${sat} has not been heard of for ${LOST_MS / 1000} s.`;
      parts.fail(query, sat, part, 'lost', 'satellite.lost', message);
      parts.cancel(query, sat);
    } else if (part.worked > timeoutMs + OVERTIME_MS) {
      const message = `${sat} did not finish within ${timeoutMs / 1000} s.`;
      parts.fail(query, sat, part, 'error', 'query.timeout', message);
      parts.cancel(query, sat);
    }
  }
}
