import { hostname } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import type { NatsConnection } from '@nats-io/transport-node';
import { connectBus } from '../bus/connect.ts';
import { busUser } from '../bus/subjects.ts';
import { Failure } from '../errors.ts';
import { cloudAddresses, watchClouds } from './clouds.ts';
import { startCollector } from './collector/collector.ts';
import { createBackoff } from './enrol/backoff.ts';
import { readEnrolment } from './enrol/record.ts';
import { startHeartbeat } from './heartbeat.ts';
import { Queries } from './queries.ts';
import { Pool } from './sql/pool.ts';
import { loadTables, type Table } from './table.ts';

export interface SatelliteOptions {
  env: NodeJS.ProcessEnv;
  signal: AbortSignal;
  log(line: string): void;
}

/** One connection, used until the satellite is stopped or the list of clouds changes. */
interface Session {
  close(): Promise<void>;
}

async function openSession(servers: string[], node: string, enrolled: boolean, tls: string, tables: Table[], pool: Pool, log: (line: string) => void, ended: (error: Error) => void): Promise<Session> {
  log(`connecting to ${servers.join(', ')}`);
  // Of the cluster's own nodes there are few, and they are to be back at once.
  const backoff = enrolled ? createBackoff() : undefined;
  const nc = await connectBus({
    servers,
    ...(backoff === undefined ? {} : { reconnectDelay: backoff.next }),
    tls: { caFile: join(tls, 'ca.crt'), certFile: join(tls, 'client.crt'), keyFile: join(tls, 'client.key') },
    name: busUser.satellite(node),
  });
  log(`connected to ${nc.getServer()}`);
  backoff?.reset();
  void logStatus(nc, log, () => backoff?.reset());
  const queries = new Queries(nc, node, pool);
  const stopHeartbeat = startHeartbeat(nc, node, node, tables);
  let closing = false;
  void nc.closed().then((error) => {
    if (!closing) ended(new Failure('bus-closed', `The connection to the bus was closed for good${error === undefined ? '' : `: ${(error as Error).message}`}.`));
  });
  return {
    close: async () => {
      closing = true;
      stopHeartbeat();
      queries.stopAll();
      await nc.close();
    },
  };
}

async function logStatus(nc: NatsConnection, log: (line: string) => void, connected: () => void): Promise<void> {
  for await (const status of nc.status()) {
    if (status.type === 'disconnect') log(`disconnected from ${status.server}`);
    if (status.type === 'reconnect') {
      connected();
      log(`connected to ${status.server}`);
    }
    if (status.type === 'error') log(`bus: ${status.error.message}`);
  }
}

/**
 * Runs the satellite of this node until the signal: connects to any cloud, beats, answers queries.
 * @throws Failure `no-clouds`, `bus-closed`, or `clouds-changed` where the list changed before any cloud of it answered (start again)
 */
export async function runSatellite({ env, signal, log }: SatelliteOptions): Promise<void> {
  // It idles for years on machines that belong to others: V8 is to keep a small heap rather than to be fast.
  setFlagsFromString('--optimize-for-size');
  const data = env['TERRARIUM_DATA'] ?? '/var/lib/terrarium';
  const enrolment = readEnrolment(data);
  const node = (env['TERRARIUM_NODE'] ?? enrolment?.id ?? hostname()).toLowerCase();
  const tls = join(data, 'satellite/tls');
  const tables = await loadTables();
  const collector = startCollector({ env, node, tables, log });
  const pool = new Pool({ tables, env, history: collector.file, notes: () => collector.notes, now: Date.now });
  collector.onOvertaken(() => pool.failAll({ code: 'query.overtaken', message: "The statement was stopped: it held the satellite's database for too long." }));
  let session: Session | undefined;
  let unwatch = (): void => undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      if (signal.aborted) return resolve();
      signal.addEventListener('abort', () => resolve(), { once: true });
      const connect = (servers: string[]): void => {
        openSession(servers, node, enrolment !== undefined, tls, tables, pool, log, reject).then((opened) => {
          session = opened;
        }, reject);
      };
      unwatch = watchClouds(env, (servers) => {
        // An attempt to connect cannot be called back.
        if (session === undefined) return reject(new Failure('clouds-changed', 'The list of clouds changed before any of them answered.'));
        const old = session;
        session = undefined;
        void old.close().then(() => connect(servers));
      });
      connect(cloudAddresses(env));
    });
  } finally {
    unwatch();
    await session?.close();
    pool.close();
    await collector.stop();
  }
}
