import { randomBytes, type KeyObject } from 'node:crypto';
import type { NatsConnection } from '@nats-io/transport-node';
import { ed25519Key, keyName } from '../../bus/direct-keys.ts';
import { ASK_AGAIN_MS, ASK_MS, type DirectAnswer } from '../../bus/direct.ts';
import { encode } from '../../bus/frames.ts';
import { subjects } from '../../bus/subjects.ts';
import type { KeyPair } from '../../pki/authority.ts';
import { storePair } from '../../pki/pair-file.ts';
import { fits, loadPair, makeKey, renewAt, type PendingKey } from './certificate.ts';

/** For a key that has just come up at the cloud. */
const LEARN_MS = 2_000;
const LEARN_AGAIN_MS = 1_000;

export interface ExchangeOptions {
  sat: string;
  /** The certificate and its key, on disk. */
  file: string;
  /** The connection to the bus, while it is up. */
  connection(): NatsConnection | undefined;
  /** Called with a new certificate. */
  renewed(pair: KeyPair): void;
  log(line: string): void;
  now(): number;
}

/** What a satellite asks the cloud about direct queries, and what it was told: the instances' keys, a certificate. */
export interface Exchange {
  /** The last answer. */
  told(): DirectAnswer | undefined;
  /** An instance's key by its name. */
  key(name: string): KeyObject | undefined;
  /** Milliseconds by which the clock here is ahead of the cloud's; undefined while it is not known. */
  ahead(): number | undefined;
  /** The certificate that there is. */
  pair(): KeyPair | undefined;
  /** Whether the satellite is to listen, and has a certificate that fits. */
  mayListen(): boolean;
  ask(): void;
  /** Asks where it is time for it. */
  tick(): void;
  /** Asks for the instances' keys, at most once a second whoever wants to know, and waits for an answer. */
  learn(): Promise<void>;
  take(answer: DirectAnswer): void;
}

/** Begins with the certificate that is on disk, and asks nothing yet. */
export function createExchange(options: ExchangeOptions): Exchange {
  const { sat, file, connection, log, now } = options;
  let pair: KeyPair | undefined = loadPair(file);
  let told: DirectAnswer | undefined;
  let keys = new Map<string, KeyObject>();
  let ahead: number | undefined;
  let asked: { id: string; at: number; pending: PendingKey | undefined } | undefined;
  let nextAsk = 0;
  let learned: (() => void)[] = [];

  const due = (): boolean => needsCertificate(told, pair, now);
  const ask = (): void => {
    const nc = connection();
    if (nc === undefined) {
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
  const take = (answer: DirectAnswer): void => {
    const mine = asked !== undefined && answer.id === asked.id ? asked : undefined;
    told = answer;
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
    const next = certificateIn(answer, mine.pending, log);
    if (next !== undefined) {
      store(file, next, log);
      pair = next;
      options.renewed(next);
      log(`direct: has a certificate, to be renewed on ${new Date(renewAt(next)).toISOString()}`);
    }
    nextAsk = now() + pauseAfter(due(), mine.pending !== undefined);
  };

  return {
    told: () => told,
    key: (name) => keys.get(name),
    ahead: () => ahead,
    pair: () => pair,
    mayListen: () => told?.listen === true && pair !== undefined && isFor(pair, told),
    ask,
    tick() {
      if (now() >= nextAsk) {
        ask();
      }
    },
    async learn() {
      if (asked === undefined || now() - asked.at > LEARN_AGAIN_MS) {
        ask();
      }
      await new Promise<void>((resolve) => {
        learned.push(resolve);
        setTimeout(resolve, LEARN_MS).unref();
      });
    },
    take,
  };
}

function isFor(pair: KeyPair, { name, authority }: DirectAnswer): boolean {
  return fits(pair, name, authority ?? '');
}

function needsCertificate(told: DirectAnswer | undefined, pair: KeyPair | undefined, now: () => number): boolean {
  return told?.listen === true && (pair === undefined || now() >= renewAt(pair) || !isFor(pair, told));
}

/** What is still missing is asked for again soon; all satellites at once would be many. */
function pauseAfter(missing: boolean, askedForCertificate: boolean): number {
  if (missing) {
    return askedForCertificate ? ASK_AGAIN_MS : 0;
  }
  return ASK_MS * (0.8 + 0.4 * Math.random());
}

function certificateIn(
  answer: DirectAnswer,
  pending: PendingKey | undefined,
  log: (line: string) => void,
): KeyPair | undefined {
  if (pending === undefined || answer.certificate === undefined) {
    return undefined;
  }
  const next: KeyPair = { cert: answer.certificate, key: pending.key };
  if (answer.authority !== undefined && isFor(next, answer)) {
    return next;
  }
  log('direct: the certificate that came is not one for this satellite');
  return undefined;
}

function store(file: string, pair: KeyPair, log: (line: string) => void): void {
  try {
    storePair(file, pair);
  } catch (error) {
    // The disk is full or read-only: it is good until the next start, which asks for another one.
    log(`direct: the certificate was not stored: ${(error as Error).message}`);
  }
}
