import { connect, type NatsConnection } from '@nats-io/transport-node';

/**
 * Files of one identity on the bus; read again at each connection, so that a renewed certificate is taken by itself.
 */
export interface BusTls {
  caFile: string;
  certFile: string;
  keyFile: string;
}

export interface BusOptions {
  /** `host:port` or `[v6]:port` each; tried in random order unless `inOrder`. */
  servers: string[];
  tls: BusTls;
  /** Shown in the server's list of connections. */
  name: string;
  inOrder?: boolean;
  /** Never another server than these, though the servers tell of each other. */
  onlyThese?: boolean;
}

/** Where the bus is on the console's port, for who comes by WebSocket. */
export const BUS_PATH = '/bus';

/**
 * Milliseconds for one try, handshakes included; and for one at a server that may have more to do than it can: it waits
 * as long for its clients.
 */
export const CONNECT_MS = 5_000;
export const MOST_CONNECT_MS = 20_000;

/** What holds for every connection. */
const COMMON = {
  // A server whose machine loses its power says no goodbye: 10 to 15 s, then another one is tried.
  pingInterval: 5_000,
  maxPingOut: 2,
  timeout: CONNECT_MS,
  // Twice as fast: no stack trace is captured for each request.
  noAsyncTraces: true,
} as const;

/** For who goes from one server to the next by himself. */
export const ONE_TRY = { ...COMMON, reconnect: false, ignoreClusterUpdates: true } as const;

/**
 * One try at one server, `host:port`; the connection is not made anew when it ends. @param timeout milliseconds @throws
 * what the client of the bus throws
 */
export function connectOnce(server: string, tls: BusTls, name: string, timeout: number): Promise<NatsConnection> {
  return connect({ ...ONE_TRY, timeout, servers: server, name, tls: { ...tls, handshakeFirst: true } });
}

/**
 * Connects to the bus and stays connected: waits for a server that is not up yet, and reconnects for ever.
 * The returned promise is pending until the first connection.
 */
export function connectBus(options: BusOptions): Promise<NatsConnection> {
  return connect({
    servers: options.servers,
    name: options.name,
    tls: { ...options.tls, handshakeFirst: true },
    noRandomize: options.inOrder === true,
    ignoreClusterUpdates: options.onlyThese === true,
    waitOnFirstConnect: true,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 500,
    reconnectJitter: 500,
    reconnectJitterTLS: 1_000,
    ...COMMON,
    // Two equal refusals in a row would close the client for good, and a rotation of certificates can cause them.
    ignoreAuthErrorAbort: true,
  });
}
