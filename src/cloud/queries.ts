import { randomBytes } from 'node:crypto';
import type { Msg, NatsConnection } from '@nats-io/transport-node';
import type { QueryLine, QueryState } from '../api/queries.ts';
import {
  CREDITS,
  CREDIT_GROUP,
  IDLE_READER_MS,
  LOST_MS,
  QUERY_CREDITS,
  STILL_READ_MS,
  decodeFrame,
  encode,
  type Frame,
  type PartFrame,
} from '../bus/frames.ts';
import { listen } from '../bus/listen.ts';
import { parseReply, subjects } from '../bus/subjects.ts';
import { guarded } from '../guarded.ts';
import { HttpProblem } from './http/problem.ts';
import { arrivalOrder, mergeOrder, orderedSql, type LineOrder, type OrderBy } from './line-order.ts';

const TICK_MS = 500;
/** Beyond a query's own time limit, which the satellite keeps, after which the cloud ends it. */
const OVERTIME_MS = 5_000;
/** Queries at once in one instance; and of one user, so that nobody can hold them all. */
export const MAX_QUERIES = 50;
export const MAX_QUERIES_OF_USER = 10;

export interface QuerySpec {
  sql: string;
  /** Among whose queries it counts; nobody's where it is not given. */
  user?: string | undefined;
  /** Ids of satellites, without doubles. */
  satellites: string[];
  timeoutMs: number;
  /** From each satellite. */
  maxRows: number;
  /** The rows of all satellites in one order, and no more of them than `limit`. */
  merge?: { order: OrderBy[]; limit: number | undefined } | undefined;
  /** Of rows, from each satellite. */
  maxBytes: number;
}

/** Where a query's lines go. */
export interface QuerySink {
  /**
   * Resolves when the reader can take more; rejects when it is gone or the query's signal is aborted.
   * @param json the line as JSON, where there is such a text already; it begins with `{"q":` and has no line ends
   */
  write(line: QueryLine, json?: string): Promise<void>;
}

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

/** A satellite's part of a query. */
interface Part {
  state: QueryState;
  nextSeq: number;
  rows: number;
  /** Batches that the satellite may still send. */
  credits: number;
  /** Credits to be given back, not yet sent. */
  owed: number;
  /** When it was sent credits last, or heard that there is a reader still. */
  grantedAt: number;
  lastHeard: number;
  /** Of a batch that has come in part, in their order. */
  pieces: string[];
  /** Milliseconds in which the satellite could work: it had credit. */
  worked: number;
}

interface Query {
  id: string;
  spec: QuerySpec;
  /** That each satellite has at first. */
  credits: number;
  parts: Map<string, Part>;
  lines: LineOrder;
  wake(): void;
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
  /** Milliseconds of a clock that nobody sets. */
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
  const pings = new Map<string, (answer: Msg | undefined) => void>();

  const push = (query: Query, line: QueryLine, json?: string, credits?: number): void => {
    query.lines.push(line, json, credits);
    query.wake();
  };
  const cancel = (query: Query, sat: string): void => nc.publish(subjects.cancel(sat), encode({ q: query.id }));
  const fail = (query: Query, sat: string, part: Part, state: QueryState, code: string, message: string): void => {
    part.state = state;
    part.pieces = [];
    push(query, { q: query.id, sat, error: { code, message } });
  };

  const nonsense = (query: Query, sat: string, part: Part): void => {
    cancel(query, sat);
    fail(query, sat, part, 'error', 'bus.frame', `${sat} sent something that is no answer.`);
  };
  const gap = (query: Query, sat: string, part: Part): void => {
    cancel(query, sat);
    fail(query, sat, part, 'error', 'bus.gap', `Batch ${part.nextSeq} of ${sat} got lost on the way.`);
  };
  const creditless = (query: Query, sat: string, part: Part): void => {
    cancel(query, sat);
    fail(query, sat, part, 'error', 'bus.credit', `${sat} sent more than it was asked for.`);
  };

  /**
   * Gives back what is owed. Of nothing it says that it is not the reader who lets the satellite wait: who takes
   * nothing ends the query here.
   */
  const grant = (query: Query, sat: string, part: Part): void => {
    nc.publish(subjects.credit(sat), encode({ q: query.id, credits: part.owed }));
    part.credits += part.owed;
    part.owed = 0;
    part.grantedAt = now();
  };

  /**
   * What is kept of it is bounded by the most parts that there may be, and one batch of each satellite is under way at
   * a time.
   */
  const assemble = (query: Query, sat: string, part: Part, { seq, part: nth, of, text }: PartFrame): void => {
    if (seq !== part.nextSeq || nth !== part.pieces.length) {
      return gap(query, sat, part);
    }
    if (part.credits <= 0) {
      return creditless(query, sat, part);
    }
    part.pieces.push(text);
    if (part.pieces.length < of) {
      return;
    }
    const decoded = decodeFrame(part.pieces.join(''));
    part.pieces = [];
    const frame = decoded?.frame;
    if (frame === undefined || !('rows' in frame) || frame.sat !== sat || frame.q !== query.id) {
      return nonsense(query, sat, part);
    }
    accept(query, sat, part, frame, decoded?.text, of);
  };
  const accept = (query: Query, sat: string, part: Part, frame: Frame, text: string | undefined, cost = 1): void => {
    part.lastHeard = now();
    if ('alive' in frame) {
      return;
    }
    if ('part' in frame) {
      return assemble(query, sat, part, frame);
    }
    if (frame.seq !== part.nextSeq || part.pieces.length > 0) {
      return gap(query, sat, part);
    }
    part.nextSeq += 1;
    if ('error' in frame) {
      fail(
        query,
        sat,
        part,
        frame.error.code === 'query.denied' ? 'denied' : 'error',
        frame.error.code,
        frame.error.message,
      );
    } else if ('end' in frame) {
      part.state = part.rows > 0 ? 'rows' : 'empty';
      const { rows, ms, truncated } = frame.end;
      push(query, { q: query.id, sat, end: { rows, ms, ...(truncated === undefined ? {} : { truncated }) } });
    } else {
      if (part.credits <= 0) {
        return creditless(query, sat, part);
      }
      // A batch of several parts may take more than there are: the satellite sends nothing more until they have been
      // given back.
      part.credits -= cost;
      part.rows += frame.rows.length;
      push(
        query,
        {
          q: query.id,
          sat,
          seq: frame.seq,
          ...(frame.columns === undefined ? {} : { columns: frame.columns }),
          rows: frame.rows,
        },
        text,
        cost,
      );
    }
  };

  const receive = (msg: Msg): void => {
    const subject = parseReply(msg.subject);
    const pinged = subject === undefined ? undefined : pings.get(`${subject.query} ${subject.sat}`);
    if (pinged !== undefined) {
      return pinged(msg);
    }
    const query = subject === undefined ? undefined : queries.get(subject.query);
    const part = subject === undefined ? undefined : query?.parts.get(subject.sat);
    if (subject === undefined || query === undefined || part === undefined || part.state !== 'pending') {
      return;
    }
    if (msg.headers?.code === 503) {
      fail(query, subject.sat, part, 'lost', 'satellite.lost', `${subject.sat} is not connected.`);
      return;
    }
    const decoded = decodeFrame(msg.string());
    const frame = decoded?.frame;
    // The server lets a satellite answer on its own subject only, so the subject says whose frame it is.
    if (frame === undefined || frame.sat !== subject.sat || frame.q !== query.id) {
      return nonsense(query, subject.sat, part);
    }
    accept(query, subject.sat, part, frame, decoded?.text);
  };
  const subscription = listen(nc, subjects.repliesTo(instance), { log }, receive);

  const tick = (): void => {
    for (const query of queries.values()) {
      for (const [sat, part] of query.parts) {
        if (part.state !== 'pending') {
          continue;
        }
        if (part.credits > 0) {
          part.worked += TICK_MS;
        } else if (now() - part.grantedAt >= STILL_READ_MS) {
          grant(query, sat, part);
        }
        if (now() - part.lastHeard > LOST_MS) {
          fail(query, sat, part, 'lost', 'satellite.lost', `${sat} has not been heard of for ${LOST_MS / 1000} s.`);
          cancel(query, sat);
        } else if (part.worked > query.spec.timeoutMs + OVERTIME_MS) {
          fail(
            query,
            sat,
            part,
            'error',
            'query.timeout',
            `${sat} did not finish within ${query.spec.timeoutMs / 1000} s.`,
          );
          cancel(query, sat);
        }
      }
    }
  };
  const timer = setInterval(guarded('queries', log, tick), TICK_MS);

  const giveBack = (query: Query, sat: string): void => {
    const part = query.parts.get(sat);
    if (part === undefined || part.state !== 'pending') {
      return;
    }
    part.owed += 1;
    if (part.owed >= Math.min(CREDIT_GROUP, query.credits)) {
      grant(query, sat, part);
    }
  };

  /** Ends those that still have rows when no more are wanted. */
  const enough = (query: Query, ms: number): QueryLine[] =>
    [...query.parts]
      .filter(([, part]) => part.state === 'pending')
      .map(([sat, part]) => {
        part.state = part.rows > 0 ? 'rows' : 'empty';
        cancel(query, sat);
        return { q: query.id, sat, end: { rows: part.rows, ms } };
      });

  const start = (query: Query): void => {
    const { sql, merge } = query.spec;
    const statement = merge === undefined ? sql : orderedSql(sql, merge.order, merge.limit);
    for (const [sat, part] of query.parts) {
      if (!isKnown(sat)) {
        fail(query, sat, part, 'error', 'satellite.unknown', `There is no satellite ${sat}.`);
        continue;
      }
      if (!isOpen(sat)) {
        fail(
          query,
          sat,
          part,
          'error',
          'satellite.direct-only',
          `${sat} is not to be asked through the cloud, by an operator's choice.`,
        );
        continue;
      }
      const request = encode({
        q: query.id,
        sql: statement,
        timeoutMs: query.spec.timeoutMs,
        maxRows: query.spec.maxRows,
        maxBytes: query.spec.maxBytes,
        credits: query.credits,
      });
      nc.publish(subjects.query(sat), request, { reply: subjects.reply(instance, query.id, sat) });
    }
  };

  return {
    active: (user) =>
      user === undefined ? queries.size : [...queries.values()].filter((q) => q.spec.user === user).length,
    async ping(sat, data) {
      const id = newId();
      const key = `${id} ${sat}`;
      const began = now();
      const { promise, resolve } = Promise.withResolvers<Msg | undefined>();
      pings.set(key, resolve);
      const timer = setTimeout(resolve, LOST_MS, undefined);
      nc.publish(subjects.ping(sat), data, { reply: subjects.reply(instance, id, sat) });
      const answer = await promise;
      clearTimeout(timer);
      pings.delete(key);
      if (answer === undefined) {
        throw new Error(`${sat} has not answered for ${LOST_MS / 1000} s.`);
      }
      if (answer.headers?.code === 503) {
        throw new Error(`${sat} is not connected.`);
      }
      if (answer.string() !== data) {
        throw new Error(`${sat} answered something else.`);
      }
      return microseconds(now() - began);
    },
    stop() {
      clearInterval(timer);
      subscription.unsubscribe();
    },
    async run(spec, sink, signal) {
      const began = now();
      const id = newId();
      let wake = (): void => undefined;
      const credits = creditsEach(spec.satellites.length);
      const parts = new Map(
        spec.satellites.map((sat): [string, Part] => [
          sat,
          {
            state: 'pending',
            nextSeq: 0,
            rows: 0,
            credits,
            owed: 0,
            grantedAt: began,
            lastHeard: began,
            pieces: [],
            worked: 0,
          },
        ]),
      );
      const { merge } = spec;
      const lines =
        merge === undefined ? arrivalOrder() : mergeOrder(spec.satellites, merge.order, merge.limit ?? Infinity);
      const query: Query = { id, spec, credits, parts, lines, wake: () => wake() };
      queries.set(id, query);
      let shown = 0;
      const elapsed = (): number => microseconds(now() - began);
      const onAbort = (): void => wake();
      signal.addEventListener('abort', onAbort);
      try {
        start(query);
        for (;;) {
          signal.throwIfAborted();
          const given = lines.next();
          if (given !== undefined) {
            await taken(sink.write(given.line, given.json), idleMs);
            if ('rows' in given.line && 'sat' in given.line) {
              shown += given.line.rows.length;
            }
            for (const sat of given.spent) {
              giveBack(query, sat);
            }
          } else if (lines.full()) {
            for (const line of enough(query, elapsed())) {
              await taken(sink.write(line), idleMs);
            }
            break;
          } else if ([...parts.values()].every((p) => p.state !== 'pending')) {
            break;
          } else {
            await new Promise<void>((resolve) => (wake = resolve));
          }
        }
        const states = Object.fromEntries([...parts].map(([sat, p]): [string, QueryState] => [sat, p.state]));
        await taken(sink.write({ q: id, done: true, satellites: states, rows: shown, ms: elapsed() }), idleMs);
      } finally {
        signal.removeEventListener('abort', onAbort);
        queries.delete(id);
        for (const [sat, part] of parts) {
          if (part.state === 'pending') {
            cancel(query, sat);
          }
        }
      }
    },
  };
}

/** What is under way of one query is bounded, however many satellites it asks. */
const creditsEach = (satellites: number): number =>
  Math.max(1, Math.min(CREDITS, Math.floor(QUERY_CREDITS / satellites)));

const newId = (): string => randomBytes(12).toString('hex');
/** Milliseconds with three decimals. */
const microseconds = (ms: number): number => Math.round(ms * 1000) / 1000;

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
