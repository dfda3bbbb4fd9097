import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { ALIVE_MS, IDLE_READER_MS, MAX_PING, QUERY_LIMITS, cancelSchema, creditSchema, decode, encode, queryRequestSchema, type QueryRequest } from '../bus/frames.ts';
import { parseReply, subjects } from '../bus/subjects.ts';
import type { Pool, Ticket } from './sql/pool.ts';

interface Running {
  stop(): void;
  grant(credits: number): void;
}

/** Answers the queries and pings that come for one satellite on one connection of the bus. */
export class Queries {
  readonly #nc: NatsConnection;
  readonly #sat: string;
  readonly #pool: Pool;
  readonly #idleMs: number;
  readonly #running = new Map<string, Running>();

  /** @param idleMs milliseconds that a reader may take nothing */
  constructor(nc: NatsConnection, sat: string, pool: Pool, idleMs: number = IDLE_READER_MS) {
    this.#nc = nc;
    this.#sat = sat;
    this.#pool = pool;
    this.#idleMs = idleMs;
    nc.subscribe(subjects.query(sat), { callback: (error, msg) => (error === null ? this.#start(msg) : undefined) });
    nc.subscribe(subjects.ping(sat), {
      callback: (_, msg) => {
        const reply = parseReply(msg.reply ?? '');
        if (reply !== undefined && reply.sat === sat && msg.data.length <= MAX_PING) msg.respond(msg.data);
      },
    });
    nc.subscribe(subjects.credit(sat), {
      callback: (_, msg) => {
        const credit = decode(creditSchema, msg.string());
        if (credit !== undefined) this.#running.get(credit.q)?.grant(credit.credits);
      },
    });
    nc.subscribe(subjects.cancel(sat), {
      callback: (_, msg) => {
        const cancel = decode(cancelSchema, msg.string());
        if (cancel !== undefined) this.#running.get(cancel.q)?.stop();
      },
    });
  }

  /** Statements that run now. */
  get count(): number {
    return this.#running.size;
  }

  stopAll(): void {
    for (const running of this.#running.values()) running.stop();
  }

  #start(msg: Msg): void {
    const request = decode(queryRequestSchema, msg.string());
    const reply = parseReply(msg.reply ?? '');
    // A message that is no query, or wants its answer elsewhere, is dropped: there is nobody to tell.
    if (request === undefined || reply === undefined || reply.sat !== this.#sat || reply.query !== request.q) return;
    if (this.#running.has(request.q)) return;
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
    const alive = setInterval(() => publish(encode({ q, sat, alive: true })), ALIVE_MS);
    const stop = (): void => {
      clearInterval(alive);
      clearTimeout(idle);
      ticket.stop();
      this.#running.delete(q);
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
        publish(frame);
        seq += 1;
        credits -= 1;
        if (credits > 0) return;
        idle = setTimeout(() => {
          stop();
          publish(encode({ q, sat, seq, error: { code: 'query.idle-reader', message: `The reader took nothing for ${this.#idleMs / 1000} s.` } }));
        }, this.#idleMs);
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
        clearTimeout(idle);
        credits += more;
        ticket.grant(more);
      },
    });
  }
}
