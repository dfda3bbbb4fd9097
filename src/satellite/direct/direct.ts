import { join } from 'node:path';
import type { NatsConnection } from '@nats-io/transport-node';
import { directAnswerSchema } from '../../bus/direct.ts';
import { decode } from '../../bus/frames.ts';
import { listen } from '../../bus/listen.ts';
import { subjects } from '../../bus/subjects.ts';
import type { FailureData } from '../../errors.ts';
import { guarded } from '../../guarded.ts';
import type { Pool } from '../sql/pool.ts';
import { createAdmission } from './admission.ts';
import { createEndpoint } from './endpoint.ts';
import { createExchange } from './exchange.ts';
import { createJudge } from './judge.ts';
import { createListening } from './listening.ts';

const TICK_MS = 1_000;

const OFFLINE: FailureData = {
  code: 'direct.offline',
  message: 'This satellite has no connection to the cloud now, so it answers nobody directly.',
};

export interface DirectOptions {
  sat: string;
  pool: Pool;
  /** The machine's DATA. */
  data: string;
  /** Address to listen on; undefined: all, since browsers may come by another network than the nodes'. */
  address: string | undefined;
  /** Instead of the port that the cloud says. */
  port: number | undefined;
  log(line: string): void;
  now?: () => number;
}

/**
 * The satellite's side of direct queries: certificate, keys and endpoint, kept up by what the cloud says over the bus.
 */
export interface Direct {
  /** Of the endpoint, while it is there. */
  port(): number | undefined;
  /** Uses this connection; returns how to let go of it. */
  attach(nc: NatsConnection): () => void;
  stop(): Promise<void>;
}

/** Starts the satellite's side of direct queries, without a connection yet. */
export function startDirect({ sat, pool, data, address, port, log, now = Date.now }: DirectOptions): Direct {
  let nc: NatsConnection | undefined;
  let listening: Promise<void> | undefined;
  let stopped = false;

  // A satellite that was cut off hears what has changed meanwhile.
  const admission = createAdmission(
    () => exchange.ask(),
    () => endpoint.failAll(OFFLINE),
  );
  const exchange = createExchange({
    sat,
    file: join(data, 'satellite/state/direct/endpoint.pem'),
    connection: () => (admission.connected() ? nc : undefined),
    renewed: (pair) => endpoint.show(pair),
    log,
    now,
  });
  const judge = createJudge({ sat, now, since: now(), key: exchange.key, ahead: exchange.ahead });
  const endpoint = createEndpoint({
    pool,
    closed: () => (admission.admitted() ? undefined : OFFLINE),
    origins: () => exchange.told()?.origins ?? [],
    async check(token) {
      if (judge.unknownKey(token) !== undefined) {
        await exchange.learn();
      }
      return judge.check(token);
    },
    judge: judge.judge,
  });
  const follow = createListening({ endpoint, exchange, address, port, stopped: () => stopped, log, now });
  const tick = (): void => {
    exchange.tick();
    listening ??= follow().finally(() => (listening = undefined));
  };
  const timer = setInterval(guarded('direct', log, tick), TICK_MS);

  return {
    port: () => endpoint.port(),
    attach(connection) {
      nc = connection;
      const subscription = listen(connection, subjects.direct(sat), { log }, (msg) => {
        const answer = decode(directAnswerSchema, msg.string());
        if (answer === undefined || nc !== connection) {
          return;
        }
        admission.answered();
        exchange.take(answer);
        tick();
      });
      if (admission.connected()) {
        exchange.ask();
      } else {
        admission.setConnected(true);
      }
      void followStatus(connection, () => nc === connection, admission.setConnected);
      return () => {
        subscription.unsubscribe();
        if (nc !== connection) {
          return;
        }
        nc = undefined;
        admission.setConnected(false);
      };
    },
    async stop() {
      stopped = true;
      clearInterval(timer);
      admission.stop();
      endpoint.failAll(OFFLINE);
      await listening;
      await endpoint.close();
    },
  };
}

/** Tells whether a connection is up, as long as it is the one in use. */
async function followStatus(
  connection: NatsConnection,
  inUse: () => boolean,
  setConnected: (up: boolean) => void,
): Promise<void> {
  for await (const status of connection.status()) {
    if (!inUse()) {
      return;
    }
    if (status.type === 'disconnect') {
      setConnected(false);
    } else if (status.type === 'reconnect') {
      setConnected(true);
    }
  }
}
