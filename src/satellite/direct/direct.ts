import { randomBytes, type KeyObject } from 'node:crypto';
import { join } from 'node:path';
import type { NatsConnection } from '@nats-io/transport-node';
import { ed25519Key, keyName } from '../../bus/direct-keys.ts';
import { ASK_AGAIN_MS, ASK_MS, directAnswerSchema, type DirectAnswer } from '../../bus/direct.ts';
import { decode, encode } from '../../bus/frames.ts';
import { listen } from '../../bus/listen.ts';
import { subjects } from '../../bus/subjects.ts';
import type { FailureData } from '../../errors.ts';
import { guarded } from '../../guarded.ts';
import type { KeyPair } from '../../pki/authority.ts';
import { storePair } from '../../pki/pair-file.ts';
import type { Pool } from '../sql/pool.ts';
import { fits, loadPair, makeKey, renewAt, type PendingKey } from './certificate.ts';
import { createEndpoint } from './endpoint.ts';
import { createJudge } from './judge.ts';

/**
 * How long a query may go on without a bus: a satellite that is cut off may have been revoked, one that changes the
 * cloud is back by then.
 */
const ORPHAN_MS = 1_500;
/** For a key that has just come up at the cloud. */
const LEARN_MS = 2_000;
const LEARN_AGAIN_MS = 1_000;
const TICK_MS = 1_000;
const LISTEN_AGAIN_MS = 10_000;

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

export function startDirect({ sat, pool, data, address, port: ownPort, log, now = Date.now }: DirectOptions): Direct {
  const file = join(data, 'satellite/state/direct/endpoint.pem');
  let pair: KeyPair | undefined = loadPair(file);
  let told: DirectAnswer | undefined;
  let keys = new Map<string, KeyObject>();
  let ahead: number | undefined;
  let nc: NatsConnection | undefined;
  let connected = false;
  /**
   * Whether the cloud has answered since: one that has been revoked may get as far as a server that does not know it
   * yet, but nobody answers it.
   */
  let admitted = false;
  let asked: { id: string; at: number; pending: PendingKey | undefined } | undefined;
  let nextAsk = 0;
  let listenAgain = 0;
  let listening: Promise<void> | undefined;
  let stopped = false;
  let orphaned: NodeJS.Timeout | undefined;
  let learned: (() => void)[] = [];
  let lastProblem = '';

  const judge = createJudge({ sat, now, since: now(), key: (name) => keys.get(name), ahead: () => ahead });
  const endpoint = createEndpoint({
    pool,
    closed: () => (connected && admitted ? undefined : OFFLINE),
    origins: () => told?.origins ?? [],
    async check(token) {
      if (judge.unknownKey(token) !== undefined) {
        await learn();
      }
      return judge.check(token);
    },
    judge: judge.judge,
  });

  const due = (): boolean =>
    told !== undefined &&
    told.listen &&
    (pair === undefined || now() >= renewAt(pair) || !fits(pair, told.name, told.authority ?? ''));
  const ask = (): void => {
    if (nc === undefined || !connected) {
      return;
    }
    const id = randomBytes(8).toString('hex');
    const pending = due() ? makeKey() : undefined;
    asked = { id, at: now(), pending };
    nc.publish(
      subjects.askDirect(sat),
      encode({ id, ...(pending === undefined ? {} : { key: pending.spki, proof: pending.proof(sat, id) }) }),
    );
    nextAsk = now() + ASK_AGAIN_MS;
  };
  /** Asks for the instances' keys, at most once a second whoever wants to know. */
  const learn = async (): Promise<void> => {
    if (asked === undefined || now() - asked.at > LEARN_AGAIN_MS) {
      ask();
    }
    await new Promise<void>((resolve) => {
      learned.push(resolve);
      setTimeout(resolve, LEARN_MS).unref();
    });
  };
  /** What is still missing is asked for again soon; all satellites at once would be many. */
  const pauseAfter = (askedForCertificate: boolean): number => {
    if (due()) {
      return askedForCertificate ? ASK_AGAIN_MS : 0;
    }
    return ASK_MS * (0.8 + 0.4 * Math.random());
  };
  const take = (answer: DirectAnswer): void => {
    const mine = asked !== undefined && answer.id === asked.id ? asked : undefined;
    told = answer;
    admitted = true;
    keys = new Map(answer.keys.map((raw) => [keyName(raw), ed25519Key(raw)]));
    for (const resolve of learned) {
      resolve();
    }
    learned = [];
    if (mine === undefined) {
      if (due()) {
        nextAsk = Math.min(nextAsk, now());
      }
      return;
    }
    asked = undefined;
    // Halfway between asking and hearing.
    ahead = (mine.at + now()) / 2 - answer.at;
    if (mine.pending !== undefined && answer.certificate !== undefined) {
      const next: KeyPair = { cert: answer.certificate, key: mine.pending.key };
      if (answer.authority !== undefined && fits(next, answer.name, answer.authority)) {
        renewed(next);
      } else {
        log('direct: the certificate that came is not one for this satellite');
      }
    }
    nextAsk = now() + pauseAfter(mine.pending !== undefined);
  };
  const renewed = (next: KeyPair): void => {
    try {
      storePair(file, next);
    } catch (error) {
      // The disk is full or read-only: it is good until the next start, which asks for another one.
      log(`direct: the certificate was not stored: ${(error as Error).message}`);
    }
    pair = next;
    endpoint.show(next);
    log(`direct: has a certificate, to be renewed on ${new Date(renewAt(next)).toISOString()}`);
  };
  const follow = async (): Promise<void> => {
    const wanted =
      told !== undefined && told.listen && pair !== undefined && fits(pair, told.name, told.authority ?? '');
    const port = ownPort ?? told?.port ?? 0;
    if (endpoint.port() !== undefined && (!wanted || (port !== 0 && endpoint.port() !== port))) {
      await endpoint.close();
      log('direct: the endpoint is closed');
    }
    if (!wanted || pair === undefined || endpoint.port() !== undefined || now() < listenAgain || stopped) {
      return;
    }
    endpoint.show(pair);
    try {
      await endpoint.listen(address, port);
      lastProblem = '';
      log(`direct: answers on port ${endpoint.port()} as ${told?.name}`);
    } catch (error) {
      listenAgain = now() + LISTEN_AGAIN_MS;
      const { message } = error as Error;
      if (message !== lastProblem) {
        log(`direct: ${message}`);
      }
      lastProblem = message;
    }
  };
  const tick = (): void => {
    if (now() >= nextAsk) {
      ask();
    }
    listening ??= follow().finally(() => (listening = undefined));
  };
  const timer = setInterval(guarded('direct', log, tick), TICK_MS);

  const setConnected = (up: boolean): void => {
    // Each try that is refused says again that it is disconnected: the time runs from the first.
    if (connected === up) {
      return;
    }
    connected = up;
    admitted = false;
    clearTimeout(orphaned);
    // Who was cut off hears what has changed meanwhile.
    if (up) {
      ask();
    } else {
      orphaned = setTimeout(() => endpoint.failAll(OFFLINE), ORPHAN_MS);
    }
  };

  return {
    port: () => endpoint.port(),
    attach(connection) {
      nc = connection;
      const subscription = listen(connection, subjects.direct(sat), { log }, (msg) => {
        const answer = decode(directAnswerSchema, msg.string());
        if (answer === undefined || nc !== connection) {
          return;
        }
        take(answer);
        tick();
      });
      if (connected) {
        ask();
      } else {
        setConnected(true);
      }
      void (async () => {
        for await (const status of connection.status()) {
          if (nc !== connection) {
            return;
          }
          if (status.type === 'disconnect') {
            setConnected(false);
          } else if (status.type === 'reconnect') {
            setConnected(true);
          }
        }
      })();
      return () => {
        subscription.unsubscribe();
        if (nc !== connection) {
          return;
        }
        nc = undefined;
        setConnected(false);
      };
    },
    async stop() {
      stopped = true;
      clearInterval(timer);
      clearTimeout(orphaned);
      endpoint.failAll(OFFLINE);
      await listening;
      await endpoint.close();
    },
  };
}
