import { connect, type NatsConnection } from '@nats-io/transport-node';

/** Files of one identity on the bus; read again at each connection, so that a renewed certificate is taken by itself. */
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
  /** Milliseconds between two tries of the same server; by default half a second, and a random part of another. */
  reconnectDelay?: () => number;
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
    ...(options.reconnectDelay === undefined ? {} : { reconnectDelayHandler: options.reconnectDelay }),
    // A server whose machine loses its power says no goodbye: 10 to 15 s, then another one is tried.
    pingInterval: 5_000,
    maxPingOut: 2,
    timeout: 5_000,
    // Two equal refusals in a row would close the client for good, and a rotation of certificates can cause them.
    ignoreAuthErrorAbort: true,
    // Twice as fast: no stack trace is captured for each request.
    noAsyncTraces: true,
  });
}
