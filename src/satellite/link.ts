import { setTimeout as sleep } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/transport-node';
import { CONNECT_MS, MOST_CONNECT_MS } from '../bus/connect.ts';
import { createBackoff } from './enrol/backoff.ts';

/** A way to the bus: the TLS port of a control plane, or its console's port by WebSocket. `address` as `host:port`. */
export interface Way {
  kind: 'tls' | 'websocket';
  address: string;
}

/** What is done with one connection. */
export interface Serving {
  /** At once. */
  stop(): void;
  /** Takes nothing new, as another connection does, and resolves when what was under way has ended. */
  retire(): Promise<void>;
}

/** A connection that is to take the place of the one that there is. */
interface Move {
  nc: NatsConnection;
  way: Way;
  /** The one before has been closed. */
  done(): void;
}

/** By which another connection is given to a link that has one. */
export interface Handover {
  /**
   * Resolves when nothing is done by the connection before any more. Where the link has none now, this one is closed.
   */
  give(nc: NatsConnection, way: Way): Promise<void>;
  /** For the link: the next one. */
  next(): { move: Promise<Move>; forget(): void };
}

export function createHandover(): Handover {
  let taker: ((move: Move) => void) | undefined;
  return {
    async give(nc, way) {
      if (taker === undefined) {
        return void (await nc.close());
      }
      const take = taker;
      taker = undefined;
      await new Promise<void>((done) => take({ nc, way, done }));
    },
    next() {
      const move = new Promise<Move>((resolve) => (taker = resolve));
      return { move, forget: () => (taker = undefined) };
    },
  };
}

export interface LinkOptions {
  /** As they are now. */
  ways(): Way[];
  /** One try, of so many milliseconds. */
  dial(way: Way, patienceMs: number): Promise<NatsConnection>;
  /** Uses a connection until it ends. */
  serve(nc: NatsConnection, way: Way): Serving;
  handover: Handover;
  signal: AbortSignal;
  log(line: string): void;
  random?: () => number;
  now?: () => number;
}

/**
 * Span of the first wait after a connection was lost: ten thousand that one server has lost come to the others over
 * seconds.
 */
const FIRST_WAIT_MS = 8_000;
/** Where only WebSocket has passed, the TLS port is not waited for again for so long. */
const REMEMBER_MS = 10 * 60_000;

/**
 * Keeps a satellite of another machine connected until the signal: the TLS ports first, in random order, so that the
 * servers share the load; then WebSocket.
 * Which way has worked is remembered for a while. Between two rounds, and after each loss, it waits 1 to 30 s with full
 * jitter.
 * A server that thousands come back to at once is slow and not gone: each round without success is more patient, so
 * that its work is not thrown away.
 */
export async function keepLink({
  ways,
  dial,
  serve,
  handover,
  signal,
  log,
  random = Math.random,
  now = Date.now,
}: LinkOptions): Promise<void> {
  const backoff = createBackoff(random, FIRST_WAIT_MS);
  let passed: number | undefined;
  let patienceMs = CONNECT_MS;
  while (!signal.aborted) {
    const websocketFirst = passed !== undefined && now() - passed < REMEMBER_MS;
    const link = await firstOf(inOrder(ways(), websocketFirst, random), (way) => dial(way, patienceMs), signal, log);
    patienceMs = link === undefined ? Math.min(2 * patienceMs, MOST_CONNECT_MS) : CONNECT_MS;
    if (link !== undefined) {
      const { nc, way } = link;
      backoff.reset();
      if (way.kind === 'tls') {
        passed = undefined;
      } else if (!websocketFirst) {
        passed = now();
      }
      log(`connected to ${way.address}${way.kind === 'tls' ? '' : ' by WebSocket'}`);
      const last = await served({ nc, way }, serve, handover, signal, log);
      if (!signal.aborted) {
        log(`disconnected from ${last.address}`);
      }
    }
    await sleep(backoff.next(), undefined, { signal }).catch(() => undefined);
  }
}

/** Of each kind in random order. */
export function inOrder(ways: Way[], websocketFirst: boolean, random: () => number): Way[] {
  const rank = (way: Way): number => ((way.kind === 'websocket') === websocketFirst ? 0 : 1);
  return ways
    .map((way) => ({ way, by: rank(way) + random() }))
    .sort((a, b) => a.by - b.by)
    .map(({ way }) => way);
}

async function firstOf(
  ways: Way[],
  dial: (way: Way) => Promise<NatsConnection>,
  signal: AbortSignal,
  log: LinkOptions['log'],
): Promise<{ nc: NatsConnection; way: Way } | undefined> {
  for (const way of ways) {
    if (signal.aborted) {
      return undefined;
    }
    try {
      return { nc: await dial(way), way };
    } catch (error) {
      log(`${way.address}${way.kind === 'tls' ? '' : ' by WebSocket'}: ${(error as Error).message}`);
    }
  }
  return undefined;
}

/** A connection that another has taken the place of: until nothing is under way on it, or it is lost. */
async function ended({ nc, serving }: { nc: NatsConnection; serving: Serving }): Promise<void> {
  await Promise.race([serving.retire().catch(() => undefined), nc.closed()]);
  serving.stop();
  await nc.close();
}

/** Until there is no connection any more. @returns by which way the last one came */
async function served(
  first: { nc: NatsConnection; way: Way },
  serve: LinkOptions['serve'],
  handover: Handover,
  signal: AbortSignal,
  log: LinkOptions['log'],
): Promise<Way> {
  const { promise: aborted, resolve: abort } = Promise.withResolvers<undefined>();
  const onAbort = (): void => abort(undefined);
  if (signal.aborted) {
    onAbort();
  }
  // There are many connections in the years for which the signal is the same.
  signal.addEventListener('abort', onAbort);
  let current = { ...first, serving: serve(first.nc, first.way) };
  for (;;) {
    const { move, forget } = handover.next();
    const moved = await Promise.race([current.nc.closed().then(() => undefined), aborted, move]);
    if (moved === undefined) {
      forget();
      // One that was given at the very moment at which the one before ended.
      void move.then(({ nc, done }) => nc.close().finally(done));
      break;
    }
    const before = current;
    current = { nc: moved.nc, way: moved.way, serving: serve(moved.nc, moved.way) };
    log(`connected to ${moved.way.address} with the renewed certificate`);
    void ended(before).finally(moved.done);
  }
  signal.removeEventListener('abort', onAbort);
  current.serving.stop();
  await current.nc.close();
  return current.way;
}
