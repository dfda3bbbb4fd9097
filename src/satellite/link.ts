import { setTimeout as sleep } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/transport-node';
import { CONNECT_MS, MOST_CONNECT_MS } from '../bus/connect.ts';
import { createBackoff } from './enrol/backoff.ts';

/** A way to the bus: the TLS port of a control plane, or its console's port by WebSocket. `address` as `host:port`. */
export interface Way {
  kind: 'tls' | 'websocket';
  address: string;
}

export interface LinkOptions {
  /** As they are now. */
  ways(): Way[];
  /** One try, of so many milliseconds. */
  dial(way: Way, patienceMs: number): Promise<NatsConnection>;
  /** Uses a connection until it ends; returns how to stop that. */
  serve(nc: NatsConnection, way: Way): () => void;
  signal: AbortSignal;
  log(line: string): void;
  random?: () => number;
  now?: () => number;
}

/** Span of the first wait after a connection was lost: ten thousand that one server has lost come to the others over seconds. */
const FIRST_WAIT_MS = 8_000;
/** Where only WebSocket has passed, the TLS port is not waited for again for so long. */
const REMEMBER_MS = 10 * 60_000;

/**
 * Keeps a satellite of another machine connected until the signal: the TLS ports first, in random order, so that the servers share the load; then WebSocket.
 * Which way has worked is remembered for a while. Between two rounds, and after each loss, it waits 1 to 30 s with full jitter.
 * A server that thousands come back to at once is slow and not gone: each round without success is more patient, so that its work is not thrown away.
 */
export async function keepLink({ ways, dial, serve, signal, log, random = Math.random, now = Date.now }: LinkOptions): Promise<void> {
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
      if (way.kind === 'tls') passed = undefined;
      else if (!websocketFirst) passed = now();
      log(`connected to ${way.address}${way.kind === 'tls' ? '' : ' by WebSocket'}`);
      await served(nc, way, serve, signal);
      if (!signal.aborted) log(`disconnected from ${way.address}`);
    }
    await sleep(backoff.next(), undefined, { signal }).catch(() => undefined);
  }
}

/** Of each kind in random order. */
export function inOrder(ways: Way[], websocketFirst: boolean, random: () => number): Way[] {
  const rank = (way: Way): number => ((way.kind === 'websocket') === websocketFirst ? 0 : 1);
  return ways.map((way) => ({ way, by: rank(way) + random() })).sort((a, b) => a.by - b.by).map(({ way }) => way);
}

async function firstOf(ways: Way[], dial: (way: Way) => Promise<NatsConnection>, signal: AbortSignal, log: LinkOptions['log']): Promise<{ nc: NatsConnection; way: Way } | undefined> {
  for (const way of ways) {
    if (signal.aborted) return undefined;
    try {
      return { nc: await dial(way), way };
    } catch (error) {
      log(`${way.address}${way.kind === 'tls' ? '' : ' by WebSocket'}: ${(error as Error).message}`);
    }
  }
  return undefined;
}

async function served(nc: NatsConnection, way: Way, serve: LinkOptions['serve'], signal: AbortSignal): Promise<void> {
  const aborted = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
  const stop = serve(nc, way);
  await Promise.race([nc.closed(), aborted]);
  stop();
  await nc.close();
}
