import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { BULK_BYTES } from './listeners.ts';
import type { Peer } from './protocol.ts';
import type { PortResult } from './result.ts';

/** A lost SYN is sent again after one second. */
const CONNECT_MS = 1600;
const PINGS = 20;
const PINGS_BUDGET_MS = 400;
const BULK_MS = 2500;

export interface PortTry {
  result: PortResult;
  /** Still open where our own probe answered. */
  socket: Socket | undefined;
}

/**
 * One that does not answer is tried twice: a firewall drops the second, too, a machine that was busy, or the loss of
 * some packets, does not.
 */
export async function tryPort(
  peer: Peer,
  name: string,
  port: number,
  localAddress: string | undefined,
): Promise<PortTry> {
  const first = await tryOnce(peer, name, port, localAddress);
  return first.result.outcome === 'timeout' ? await tryOnce(peer, name, port, localAddress) : first;
}

async function tryOnce(peer: Peer, name: string, port: number, localAddress: string | undefined): Promise<PortTry> {
  const socket = connect({ host: peer.address, port, ...(localAddress === undefined ? {} : { localAddress }) });
  socket.setNoDelay(true);
  const outcome = await opened(socket);
  if (outcome !== 'open') {
    socket.destroy();
    return { result: { name, port, outcome }, socket: undefined };
  }
  if (!peer.bound.includes(port)) {
    socket.destroy();
    return { result: { name, port, outcome }, socket: undefined };
  }
  const pong = await ping(socket, CONNECT_MS);
  if (pong?.nonce === peer.nonce) {
    return { result: { name, port, outcome: 'open' }, socket };
  }
  socket.destroy();
  return { result: { name, port, outcome: pong === undefined ? 'timeout' : 'stranger' }, socket: undefined };
}

const OUTCOMES: Record<string, PortResult['outcome']> = {
  ECONNREFUSED: 'refused',
  ECONNRESET: 'refused',
  ETIMEDOUT: 'timeout',
};

function opened(socket: Socket): Promise<PortResult['outcome']> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve('timeout'), CONNECT_MS);
    const settle = (outcome: PortResult['outcome']): void => {
      clearTimeout(timer);
      resolve(outcome);
    };
    socket.once('connect', () => settle('open'));
    socket.on('error', (error: NodeJS.ErrnoException) => settle(OUTCOMES[error.code ?? ''] ?? 'unreachable'));
  });
}

interface Pong {
  nonce: string;
  clockMs: number;
}

async function ping(socket: Socket, timeoutMs: number): Promise<Pong | undefined> {
  try {
    socket.write('ping\n');
    const [chunk] = (await once(socket, 'data', { signal: AbortSignal.timeout(timeoutMs) })) as [Buffer];
    const [word, nonce, clock] = chunk.toString('latin1').trim().split(' ');
    return word === 'pong' && nonce !== undefined ? { nonce, clockMs: Number(clock) } : { nonce: '', clockMs: 0 };
  } catch {
    return undefined;
  }
}

export interface Timing {
  roundTripsMs: number[];
  skew: { ms: number; errorMs: number } | null;
}

/** Some small messages one after the other; the fastest of them tells the difference of the clocks best. */
export async function measure(socket: Socket): Promise<Timing> {
  const trips: { ms: number; skewMs: number }[] = [];
  const begin = performance.now();
  while (trips.length < PINGS && performance.now() - begin < PINGS_BUDGET_MS) {
    const from = performance.now();
    const sentMs = Date.now();
    const pong = await ping(socket, CONNECT_MS);
    if (pong === undefined) {
      break;
    }
    const ms = performance.now() - from;
    trips.push({ ms, skewMs: pong.clockMs - (sentMs + ms / 2) });
  }
  trips.sort((a, b) => a.ms - b.ms);
  const best = trips[0];
  const rounded = (n: number): number => Math.round(n * 1000) / 1000;
  // Both clocks are read in whole milliseconds.
  return {
    roundTripsMs: trips.map((t) => rounded(t.ms)),
    skew: best === undefined ? null : { ms: rounded(best.skewMs), errorMs: rounded(best.ms / 2 + 1) },
  };
}

/** Sends an amount larger than any packet and waits for as much; Mbit/s, undefined where it does not come through. */
export async function tryBulk(socket: Socket): Promise<number | undefined> {
  const from = performance.now();
  return await new Promise((resolve) => {
    let left = BULK_BYTES;
    const timer = setTimeout(() => resolve(undefined), BULK_MS);
    socket.on('data', (chunk: Buffer) => {
      left -= chunk.length;
      if (left > 0) {
        return;
      }
      clearTimeout(timer);
      resolve(Math.round((2 * 8 * BULK_BYTES) / 1000 / (performance.now() - from)));
    });
    socket.on('close', () => resolve(undefined));
    socket.write('bulk\n');
    socket.write(Buffer.alloc(BULK_BYTES));
  });
}
