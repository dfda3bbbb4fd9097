import { setTimeout as sleep } from 'node:timers/promises';
import type { Msg, NatsConnection, Subscription } from '@nats-io/transport-node';
import {
  ALIVE_MS,
  IDLE_READER_MS,
  MAX_PING,
  QUERY_LIMITS,
  cancelSchema,
  creditSchema,
  creditsOf,
  decode,
  encode,
  messagesOf,
  queryRequestSchema,
  type QueryRequest,
} from '../bus/frames.ts';
import { listen } from '../bus/listen.ts';
import { parseReply, subjects } from '../bus/subjects.ts';
import type { Pool, Ticket } from './sql/pool.ts';

interface Running {
  stop(): void;
  grant(credits: number): void;
}

/** While a satellite changes its connection, both hear for so long what comes: no query is to fall in between. */
const OVERLAP_MS = 2_000;

/** Ids of queries that have been taken, by whichever connection. */
export interface Taken {
  /** False where it has been taken already. */
  take(q: string): boolean;
}

export function createTaken(): Taken {
  const ids = new Set<string>();
  return {
    take(q) {
      if (ids.has(q)) {
        return false;
      }
      ids.add(q);
      setTimeout(() => ids.delete(q), 2 * OVERLAP_MS).unref();
      return true;
    },
  };
}

export interface QueriesOptions {
  nc: NatsConnection;
  sat: string;
  pool: Pool;
  log(line: string): void;
  /** Milliseconds that a reader may take nothing. */
  idleMs?: number;
  /** Shared by a satellite's connections. */
  taken?: Taken;
}

/** Answers the queries and pings that come for one satellite on one connection of the bus. */
export class Queries {
  readonly #nc: NatsConnection;
  readonly #sat: string;
  readonly #pool: Pool;
  readonly #idleMs: number;
  readonly #taken: Taken;
  readonly #running = new Map<string, Running>();
  /** By which new ones come. */
  readonly #entrances: Subscription[];
  #ended: (() => void) | undefined;

  constructor({ nc, sat, pool, log, idleMs = IDLE_READER_MS, taken = createTaken() }: QueriesOptions) {
    this.#nc = nc;
    this.#sat = sat;
    this.#pool = pool;
    this.#idleMs = idleMs;
    this.#taken = taken;
    const queries = listen(nc, subjects.query(sat), { log }, (msg) => this.#start(msg));
    const pings = listen(nc, subjects.ping(sat), { log }, (msg) => {
      const reply = parseReply(msg.reply ?? '');
      if (reply !== undefined && reply.sat === sat && msg.data.length <= MAX_PING) {
        msg.respond(msg.data);
      }
    });
    this.#entrances = [queries, pings];
    listen(nc, subjects.credit(sat), { log }, (msg) => {
      const credit = decode(creditSchema, msg.string());
      if (credit !== undefined) {
        this.#running.get(credit.q)?.grant(credit.credits);
      }
    });
    listen(nc, subjects.cancel(sat), { log }, (msg) => {
      const cancel = decode(cancelSchema, msg.string());
      if (cancel !== undefined) {
        this.#running.get(cancel.q)?.stop();
      }
    });
  }

  /** Statements that run now. */
  get count(): number {
    return this.#running.size;
  }

  stopAll(): void {
    for (const running of this.#running.values()) {
      running.stop();
    }
  }

  /**
   * Takes no new ones, and resolves when all have ended, which those are made to that still run after so many
   * milliseconds.
   */
  async retire(ms: number): Promise<void> {
    await sleep(OVERLAP_MS);
    for (const entrance of this.#entrances) {
      entrance.unsubscribe();
    }
    if (this.#running.size === 0) {
      return;
    }
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#ended = resolve;
      timer = setTimeout(resolve, ms);
    });
    clearTimeout(timer);
    this.stopAll();
    // What it has published last is to go out before the connection is closed.
    await this.#nc.flush().catch(() => undefined);
  }

  #start(msg: Msg): void {
    const request = decode(queryRequestSchema, msg.string());
    const reply = parseReply(msg.reply ?? '');
    // A message that is no query, or wants its answer elsewhere, is dropped: there is nobody to tell.
    if (request === undefined || reply === undefined || reply.sat !== this.#sat || reply.query !== request.q) {
      return;
    }
    if (this.#running.has(request.q) || !this.#taken.take(request.q)) {
      return;
    }
    this.#run(request, subjects.reply(reply.instance, request.q, this.#sat));
  }

  #run(request: QueryRequest, subject: string): void {
    const { q } = request;
    const sat = this.#sat;
    const started = performance.now();
    const publish = (data: string): void => this.#nc.publish(subject, data);
    let seq = 0;
    let credits = request.credits;
    let idle: NodeJS.Timeout | undefined;
    /** For as long as it waits for credit: the while in which it has to hear of its reader. */
    const awaitReader = (): void => {
      clearTimeout(idle);
      if (credits > 0) {
        return;
      }
      idle = setTimeout(() => {
        stop();
        publish(
          encode({
            q,
            sat,
            seq,
            error: { code: 'query.idle-reader', message: `The reader took nothing for ${this.#idleMs / 1000} s.` },
          }),
        );
      }, this.#idleMs);
    };
    const alive = setInterval(() => publish(encode({ q, sat, alive: true })), ALIVE_MS);
    const stop = (): void => {
      clearInterval(alive);
      clearTimeout(idle);
      ticket.stop();
      this.#running.delete(q);
      if (this.#running.size === 0) {
        setImmediate(() => this.#ended?.());
      }
    };
    publish(encode({ q, sat, alive: true }));
    const ticket: Ticket = this.#pool.run({
      q,
      sat,
      sql: request.sql,
      maxRows: Math.min(request.maxRows, QUERY_LIMITS.maxRows),
      maxBytes: Math.min(request.maxBytes, QUERY_LIMITS.maxBytes),
      credits,
      timeoutMs: Math.min(request.timeoutMs, QUERY_LIMITS.maxTimeoutMs),
      onBatch: (frame) => {
        for (const message of messagesOf(frame, { q, sat, seq })) {
          publish(message);
        }
        seq += 1;
        credits -= creditsOf(frame);
        awaitReader();
      },
      onEnd: (outcome) => {
        stop();
        if ('end' in outcome) {
          const { rows, truncated } = outcome.end;
          const ms = Math.round((performance.now() - started) * 10) / 10;
          publish(encode({ q, sat, seq, end: { rows, ms, ...(truncated === undefined ? {} : { truncated }) } }));
        } else {
          publish(encode({ q, sat, seq, error: { code: outcome.error.code, message: outcome.error.message } }));
        }
      },
    });
    this.#running.set(q, {
      stop,
      grant: (more) => {
        credits += more;
        awaitReader();
        if (more > 0) {
          ticket.grant(more);
        }
      },
    });
  }
}
