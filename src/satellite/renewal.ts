import { X509Certificate, createPrivateKey, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/transport-node';
import { credentialReady, credentialRequest, storeCredential } from '../../installer/node/credentials.ts';
import { decode, encode } from '../bus/frames.ts';
import { keyId } from '../bus/identities.ts';
import { listen } from '../bus/listen.ts';
import { signByNkey } from '../bus/nkey.ts';
import { renewalAnswerSchema, type RenewalAnswer, type RenewalAsk } from '../bus/renewal.ts';
import { subjects } from '../bus/subjects.ts';
import { syncPath } from '../durable.ts';
import { renewalDue, validityOf } from '../pki/validity.ts';
import { createBackoff, type Backoff } from './enrol/backoff.ts';
import { ensureNkey } from './enrol/nkey.ts';
import { formerFolder, nextFolder, tlsFolder } from './enrol/record.ts';
import type { Way } from './link.ts';

const TICK_MS = 1_000;
const ANSWER_MS = 10_000;
/** Each server admits a new credential when it has been told of it and has reloaded. */
const DIAL_TRIES = 10;
const DIAL_AGAIN_MS = 1_000;
const DIAL_MS = 30_000;
/** Pauses after a try that failed; shorter where certificates live for minutes. */
const PAUSE_MS = { first: 60_000, most: 60 * 60_000 } as const;

export interface RenewalOptions {
  sat: string;
  /** The machine's DATA. */
  data: string;
  /** One try by the credential in this folder. */
  dial(way: Way, dir: string): Promise<NatsConnection>;
  /** Goes over to this connection; resolves when the one before has been closed. */
  give(nc: NatsConnection, way: Way): Promise<void>;
  log(line: string): void;
  now?: () => number;
  random?: () => number;
}

/**
 * Renews the credential of a satellite that has enrolled: key pair, certificate and nkey, long before the certificate
 * ends.
 */
export interface Renewal {
  /** Uses this connection; returns how to let go of it. */
  attach(nc: NatsConnection, way: Way): () => void;
  stop(): void;
}

/**
 * The credential lies in one folder, `tls`; the next one is made in another, `tls.next`. It is put in the place of the
 * old one only when the satellite has connected by it, and the old one stays as `tls.former` until the cloud has
 * confirmed that it is void. So after a crash anywhere there is one that is admitted: `recoverCredential` finds it, and
 * the same again completes the renewal.
 */
export function startRenewal(options: RenewalOptions): Renewal {
  const { sat, data, dial, give, log, now = Date.now, random = Math.random } = options;
  const [dir, next, former] = [tlsFolder(data), nextFolder(data), formerFolder(data)];
  let link: { nc: NatsConnection; way: Way } | undefined;
  let due = Number.POSITIVE_INFINITY;
  let unconfirmed = false;
  let notBefore = 0;
  let backoff: Backoff = createBackoff(random);
  let working = false;
  let stopped = false;

  const look = (): void => {
    ({ due, backoff } = planOf(readFileSync(join(dir, 'client.crt'), 'utf8'), random));
    unconfirmed = existsSync(former);
    notBefore = 0;
  };
  const questions = createQuestions(sat, () => link?.nc);
  const renew = async (way: Way): Promise<void> => {
    await fetchCredential(dir, next, questions.ask);
    const nc = await dialPatiently(
      () => dial(way, next),
      () => stopped,
    );
    putInPlace(data);
    look();
    log(`renewal: has a new certificate, to be renewed on ${new Date(due).toISOString()}`);
    await give(nc, way);
  };
  const confirm = async (): Promise<void> => {
    await questions.ask({ done: keyOf(readFileSync(join(dir, 'client.crt'), 'utf8')) });
    rmSync(former, { recursive: true, force: true });
    unconfirmed = false;
    backoff.reset();
    log('renewal: the certificate before is void');
  };
  const tick = (): void => {
    if (working || link === undefined || now() < notBefore || (!unconfirmed && now() < due)) {
      return;
    }
    working = true;
    (unconfirmed ? confirm() : renew(link.way))
      .catch((error: Error) => {
        const wait = backoff.next();
        notBefore = now() + wait;
        if (!stopped) {
          log(`renewal: ${error.message.replace(/\.$/, '')}; the next try is in ${Math.ceil(wait / 1000)} s`);
        }
      })
      .finally(() => (working = false));
  };
  const timer = setInterval(tick, TICK_MS);

  return {
    attach(nc, way) {
      link = { nc, way };
      // It may have been enrolled anew.
      if (!working) {
        look();
      }
      const subscription = listen(nc, subjects.renewal(sat), { log }, (msg) => {
        const answer = decode(renewalAnswerSchema, msg.string());
        if (answer !== undefined) {
          questions.take(answer);
        }
      });
      return () => {
        subscription.unsubscribe();
        if (link?.nc === nc) {
          link = undefined;
        }
      };
    },
    stop() {
      stopped = true;
      clearInterval(timer);
    },
  };
}

/** When a certificate is to be renewed, and the pauses between tries. */
function planOf(certificate: string, random: () => number): { due: number; backoff: Backoff } {
  const validity = validityOf(certificate);
  const life = validity.ends - validity.issued;
  // Chance by the key, so that it is the same after each start.
  const chance = Number.parseInt(keyOf(certificate).slice(0, 8), 16) / 2 ** 32;
  return {
    due: renewalDue(validity, chance),
    backoff: createBackoff(random, Math.min(PAUSE_MS.first, life / 30), Math.min(PAUSE_MS.most, life / 20)),
  };
}

type Question = { request: string; nkey: { key: string; signature: string } } | { done: string };

/** Questions to the cloud about this satellite's credential, one at a time. */
interface Questions {
  /** @throws Error where no control plane answers, or one refuses */
  ask(question: Question): Promise<RenewalAnswer>;
  /** Takes what has come; an answer to an earlier question is ignored. */
  take(answer: RenewalAnswer): void;
}

function createQuestions(sat: string, connection: () => NatsConnection | undefined): Questions {
  let waiting: { id: string; take(answer: RenewalAnswer): void } | undefined;
  return {
    async ask(question) {
      const id = randomBytes(8).toString('hex');
      const message: RenewalAsk = { id, ...question };
      let timer: NodeJS.Timeout | undefined;
      const answer = await new Promise<RenewalAnswer | undefined>((resolve) => {
        waiting = { id, take: resolve };
        timer = setTimeout(() => resolve(undefined), ANSWER_MS);
        connection()?.publish(subjects.askRenewal(sat), encode(message));
      });
      clearTimeout(timer);
      waiting = undefined;
      if (answer === undefined) {
        throw new Error('no control plane has answered');
      }
      if ('error' in answer) {
        throw new Error(answer.error.message);
      }
      return answer;
    },
    take(answer) {
      if (answer.id === waiting?.id) {
        waiting.take(answer);
      }
    },
  };
}

/**
 * Makes a key pair and an nkey in the folder `next`, and has the cloud sign a certificate for them.
 * @param dir folder of the credential that there is, whose authorities stay the same
 */
async function fetchCredential(dir: string, next: string, ask: Questions['ask']): Promise<void> {
  const files = { dir: next, name: 'client' };
  const request = await credentialRequest(files, 'satellite');
  const nkey = ensureNkey(next, undefined);
  const answer = await ask({ request, nkey: { key: nkey.publicKey, signature: signByNkey(nkey, request) } });
  if (
    !('certificate' in answer) ||
    !new X509Certificate(answer.certificate).checkPrivateKey(createPrivateKey(readFileSync(join(next, 'client.key'))))
  ) {
    throw new Error('the certificate that came is not one for this satellite');
  }
  storeCredential(files, answer.certificate, readFileSync(join(dir, 'ca.crt'), 'utf8'));
}

/** Tries again while the servers have not heard of the new credential. @throws what the last try throws */
async function dialPatiently(dial: () => Promise<NatsConnection>, stopped: () => boolean): Promise<NatsConnection> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await Promise.race([dial(), tooLong()]);
    } catch (error) {
      if (tries >= DIAL_TRIES || stopped()) {
        throw error;
      }
    }
    await sleep(DIAL_AGAIN_MS);
  }
}

/** The client of the bus knows one kind of transport at a time: a try beside one of another kind may never end. */
async function tooLong(): Promise<never> {
  await sleep(DIAL_MS, undefined, { ref: false });
  throw new Error('the new certificate was tried for too long');
}

const keyOf = (certificate: string): string =>
  keyId(new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'der' }));

/** The next credential becomes the satellite's own. Where this is interrupted, `recoverCredential` completes it. */
function putInPlace(data: string): void {
  const former = formerFolder(data);
  rmSync(former, { recursive: true, force: true });
  renameSync(tlsFolder(data), former);
  renameSync(nextFolder(data), tlsFolder(data));
  syncPath(dirname(former));
}

/** After a crash in the midst of a renewal: at the start of a satellite, before its credential is used. */
export function recoverCredential(data: string): void {
  const ready = (dir: string): boolean => credentialReady({ dir, name: 'client' });
  if (ready(tlsFolder(data))) {
    return;
  }
  const spare = [nextFolder(data), formerFolder(data)].find(ready);
  if (spare === undefined) {
    return;
  }
  rmSync(tlsFolder(data), { recursive: true, force: true });
  renameSync(spare, tlsFolder(data));
  syncPath(dirname(spare));
}
