import { hostname } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import type { NatsConnection } from '@nats-io/transport-node';
import { connectBus, type BusTls } from '../bus/connect.ts';
import { busUser } from '../bus/subjects.ts';
import { EXIT, Failure } from '../errors.ts';
import { cloudAddresses, watchClouds } from './clouds.ts';
import { startCollector } from './collector/collector.ts';
import { startDirect, type Direct } from './direct/direct.ts';
import { certificateEnds, readEnrolment, tlsFolder } from './enrol/record.ts';
import { startHeartbeat, type Self } from './heartbeat.ts';
import { createHandover, keepLink, type Serving, type Way } from './link.ts';
import { Queries, createTaken } from './queries.ts';
import { recoverCredential, startRenewal } from './renewal.ts';
import { writeHeard } from './service/heard.ts';
import { Pool } from './sql/pool.ts';
import { loadTables } from './table.ts';
import { busTls, dialWay, enrolledWays } from './ways.ts';

export interface SatelliteOptions {
  env: NodeJS.ProcessEnv;
  signal: AbortSignal;
  log(line: string): void;
}

/** One connection, used until the satellite is stopped or the list of clouds changes. */
interface Session {
  close(): Promise<void>;
}

/** Beats and answers queries on one connection. */
type Serve = (nc: NatsConnection) => Serving;

/** For what was asked by a connection that another one has taken the place of. */
const RETIRE_MS = 10 * 60_000;
/** Between two sentences about a certificate that has ended. */
const ENDED_AGAIN_MS = 10 * 60_000;

async function openSession(
  servers: string[],
  node: string,
  tls: BusTls,
  serve: Serve,
  log: (line: string) => void,
  ended: (error: Error) => void,
): Promise<Session> {
  log(`connecting to ${servers.join(', ')}`);
  const nc = await connectBus({ servers, tls, name: busUser.satellite(node) });
  log(`connected to ${nc.getServer()}`);
  void logStatus(nc, log);
  const { stop } = serve(nc);
  let closing = false;
  void nc.closed().then((error) => {
    if (!closing) {
      ended(
        new Failure(
          'bus-closed',
          `The connection to the bus was closed for good${error === undefined ? '' : `: ${(error as Error).message}`}.`,
        ),
      );
    }
  });
  return {
    close: async () => {
      closing = true;
      stop();
      await nc.close();
    },
  };
}

async function logStatus(nc: NatsConnection, log: (line: string) => void): Promise<void> {
  for await (const status of nc.status()) {
    if (status.type === 'disconnect') {
      log(`disconnected from ${status.server}`);
    }
    if (status.type === 'reconnect') {
      log(`connected to ${status.server}`);
    }
    if (status.type === 'error') {
      log(`bus: ${status.error.message}`);
    }
  }
}

/** Of a node of the cluster: there are few of them, and they are to be back at once. */
async function runOnNode(
  { env, signal, log }: SatelliteOptions,
  node: string,
  tls: BusTls,
  serve: Serve,
): Promise<void> {
  let session: Session | undefined;
  let unwatch = (): void => undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      if (signal.aborted) {
        return resolve();
      }
      signal.addEventListener('abort', () => resolve(), { once: true });
      const connect = (servers: string[]): void => {
        openSession(servers, node, tls, serve, log, reject).then((opened) => {
          session = opened;
        }, reject);
      };
      unwatch = watchClouds(env, (servers) => {
        // An attempt to connect cannot be called back.
        if (session === undefined) {
          return reject(new Failure('clouds-changed', 'The list of clouds changed before any of them answered.'));
        }
        const old = session;
        session = undefined;
        void old.close().then(() => connect(servers));
      });
      connect(cloudAddresses(env));
    });
  } finally {
    unwatch();
    await session?.close();
  }
}

/** Runs a machine that is no node of the cluster: there are many of them, and their credentials are renewed. */
async function runEnrolled(
  { env, signal, log }: SatelliteOptions,
  { id, node, data }: { id: string; node: string; data: string },
  serve: Serve,
): Promise<void> {
  const handover = createHandover();
  const dial = (way: Way, dir: string, patienceMs?: number): Promise<NatsConnection> =>
    dialWay(way, { dir, patienceMs, name: busUser.satellite(node), env });
  const renewal = startRenewal({ sat: node, data, dial, give: handover.give, log });
  const sayEnded = endedTeller(id, data, log);
  try {
    await keepLink({
      ways: () => enrolledWays(env, data),
      dial(way, patienceMs) {
        sayEnded();
        return dial(way, tlsFolder(data), patienceMs).catch((error: Error) => {
          throw /authorization violation/i.test(error.message)
            ? new Failure(
                'refused',
                'it does not let this satellite in, which has been revoked or deleted, or is not known there yet',
              )
            : error;
        });
      },
      serve(nc, way) {
        const serving = serve(nc);
        const detach = renewal.attach(nc, way);
        // For `satellite install`, which waits for it: the server has taken the first heartbeat.
        nc.flush()
          .then(() => writeHeard(data, { at: Date.now(), pid: process.pid, ...way }))
          .catch((error: Error) => log(`not recorded: ${error.message}`));
        return {
          stop() {
            detach();
            serving.stop();
          },
          retire() {
            detach();
            return serving.retire();
          },
        };
      },
      handover,
      signal,
      log,
    });
  } finally {
    renewal.stop();
  }
}

interface Served {
  self: Self;
  pool: Pool;
  direct: Direct;
  log(line: string): void;
}

/** Makes what beats and answers queries on each connection. */
function createServe({ self, pool, direct, log }: Served): Serve {
  const taken = createTaken();
  return (nc) => {
    const queries = new Queries({ nc, sat: self.id, pool, log, taken });
    const stopHeartbeat = startHeartbeat(nc, self, log);
    const detach = direct.attach(nc);
    const leave = (): void => {
      stopHeartbeat();
      detach();
    };
    return {
      stop() {
        leave();
        queries.stopAll();
      },
      async retire() {
        leave();
        await queries.retire(RETIRE_MS);
      },
    };
  };
}

/** @throws Failure `usage` */
function portOf(text: string | undefined): number | undefined {
  if (text === undefined || text === '') {
    return undefined;
  }
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new Failure('usage', `TERRARIUM_DIRECT_PORT is ${text}, not a port.`, { exitCode: EXIT.usage });
  }
  return port;
}

/**
 * Runs the satellite of this machine until the signal: connects to any cloud, beats, answers queries.
 * @throws Failure `no-clouds`, `bus-closed`, or `clouds-changed` where the list changed before any cloud of it answered
 *   (start again)
 */
export async function runSatellite(options: SatelliteOptions): Promise<void> {
  // It idles for years on machines that belong to others: V8 is to keep a small heap rather than to be fast.
  setFlagsFromString('--optimize-for-size');
  const { env, log } = options;
  const data = env['TERRARIUM_DATA'] ?? '/var/lib/terrarium';
  const enrolment = readEnrolment(data);
  if (enrolment !== undefined) {
    recoverCredential(data);
  }
  const node = (env['TERRARIUM_NODE'] ?? enrolment?.id ?? hostname()).toLowerCase();
  const tables = await loadTables();
  const collector = startCollector({ env, node, tables, log });
  const pool = new Pool({ tables, env, history: collector.file, notes: () => collector.notes, now: Date.now });
  collector.onOvertaken(() =>
    pool.failAll({
      code: 'query.overtaken',
      message: "The statement was stopped: it held the satellite's database for too long.",
    }),
  );
  const direct = startDirect({
    sat: node,
    pool,
    data,
    address: env['TERRARIUM_DIRECT_ADDRESS'],
    port: portOf(env['TERRARIUM_DIRECT_PORT']),
    log,
  });
  const self: Self = {
    id: node,
    node,
    tables,
    advertise: env['TERRARIUM_ADVERTISE_ADDRESS'] ?? enrolment?.advertise,
    directPort: () => direct.port(),
    certificateEnds: () => certificateEnds(data),
  };
  const serve = createServe({ self, pool, direct, log });
  try {
    if (enrolment === undefined) {
      await runOnNode(options, node, busTls(tlsFolder(data)), serve);
    } else {
      await runEnrolled(options, { id: enrolment.id, node, data }, serve);
    }
  } finally {
    await direct.stop();
    pool.close();
    await collector.stop();
  }
}

/** Says why nobody lets this satellite in, and what to do, but not at each try. */
function endedTeller(id: string, data: string, log: (line: string) => void): () => void {
  let said = Number.NEGATIVE_INFINITY;
  return () => {
    const ends = certificateEnds(data);
    if (ends === undefined || ends > Date.now() || Date.now() - said < ENDED_AGAIN_MS) {
      return;
    }
    said = Date.now();
    log(
      `the certificate of this satellite ended on ${new Date(ends).toISOString()}, so no control plane lets it in: ` +
        `make a token by \`terrarium satellite token\` where the cluster is administered, and run the command that ` +
        `it prints on this machine, with --id ${id}`,
    );
  };
}
