import type { Msg, NatsConnection, Subscription } from '@nats-io/transport-node';
import { decode, encode } from '../bus/frames.ts';
import { listen } from '../bus/listen.ts';
import { isSignedBy } from '../bus/nkey.ts';
import { renewalAskSchema, type RenewalAnswer, type RenewalAsk } from '../bus/renewal.ts';
import { nameOf, subjects } from '../bus/subjects.ts';
import { Failure } from '../errors.ts';
import { validityOf } from '../pki/validity.ts';
import type { SatelliteRenewalRow, SatelliteRow } from '../store/rows.ts';
import { RENEWALS_SCHEMA } from '../store/satellite-states.ts';
import type { EnrolmentDetails } from './satellites-admission.ts';
import type { SatellitesAuthority } from './satellites-authority.ts';
import { one } from './state/read.ts';
import type { State } from './state/state.ts';

/**
 * Part of its life that a certificate must be old: a satellite that asks without need would fill the log of changes.
 */
const NOT_BEFORE = 0.5;
/** Between two changes of one satellite by this instance, at most; less where certificates live for minutes. */
const PAUSE_MS = 60_000;
/** A certificate that was made and not used is given again while it has so much of its life. */
const GIVE_AGAIN = 0.5;

/** Renews the credentials of satellites that have enrolled, for those that come by the one they have. */
export interface Renewals {
  listen(nc: NatsConnection): void;
  stop(): void;
}

export interface RenewalsOptions {
  state: State;
  authority(): Promise<SatellitesAuthority>;
  /** Whether this satellite may use the bus now. */
  admitted(sat: string): boolean;
  log(line: string): void;
  now?: () => number;
}

export function createRenewals({ state, authority, admitted, log, now = Date.now }: RenewalsOptions): Renewals {
  let subscription: Subscription | undefined;
  const signing: Signing = { state, authority, given: new Map(), log, now };
  const answer = async (nc: NatsConnection, msg: Msg): Promise<void> => {
    const sat = nameOf(msg.subject.split('.')[1] ?? '');
    const ask = decode(renewalAskSchema, msg.string());
    if (ask === undefined || !admitted(sat)) {
      return;
    }
    nc.publish(subjects.renewal(sat), encode(await answerTo(signing, sat, ask)));
  };
  return {
    listen(nc) {
      // Any one instance answers: the queue group sees to that.
      subscription = listen(nc, subjects.allRenewalAsks, { queue: 'renew', log }, (msg) => answer(nc, msg));
    },
    stop() {
      subscription?.unsubscribe();
    },
  };
}

interface Signing extends Pick<RenewalsOptions, 'state' | 'authority' | 'log'> {
  /** When a satellite was given a certificate last. */
  given: Map<string, number>;
  now(): number;
}

async function answerTo(signing: Signing, sat: string, ask: RenewalAsk): Promise<RenewalAnswer> {
  const { state, log } = signing;
  try {
    if (state.replica().status().schema < RENEWALS_SCHEMA) {
      throw new Failure('not-yet', 'The cluster is being upgraded.');
    }
    if ('request' in ask) {
      return { id: ask.id, certificate: await sign(signing, sat, ask) };
    }
    const row = one<Pick<SatelliteRow, 'bus_key'>>(
      state.replica().db,
      'SELECT bus_key FROM satellites WHERE id = ?',
      sat,
    );
    if (row?.bus_key !== ask.done) {
      await change(state, sat, { kind: 'satellite.renewed', args: { id: sat, busKey: ask.done } });
    }
    return { id: ask.id, done: true };
  } catch (error) {
    if (!(error instanceof Failure)) {
      log(`renewal: ${sat}: ${(error as Error).message}`);
    }
    const { code, message } =
      error instanceof Failure ? error : { code: 'internal', message: 'Something went wrong at the cloud.' };
    return { id: ask.id, error: { code: code === 'bad-request' ? 'denied' : code, message: message.slice(0, 1000) } };
  }
}

/** @throws Failure with a code of the state, or `denied`, `not-yet` */
async function sign(
  { state, authority, given, log, now }: Signing,
  sat: string,
  ask: Extract<RenewalAsk, { request: string }>,
): Promise<string> {
  const { db } = state.replica();
  const row = one<SatelliteRow>(db, 'SELECT * FROM satellites WHERE id = ?', sat);
  const { certificate } = row === undefined ? {} : (JSON.parse(row.details) as Partial<EnrolmentDetails>);
  if (row === undefined || row.state === 'revoked' || certificate === undefined) {
    throw new Failure('denied', `${sat} has been revoked or deleted, so it gets no certificate.`);
  }
  if (!isSignedBy(ask.nkey.key, ask.request, ask.nkey.signature)) {
    throw new Failure('denied', 'The nkey has not signed the request.');
  }
  const signer = await authority();
  const key = await signer.keyOf(ask.request);
  const next = one<SatelliteRenewalRow>(db, 'SELECT * FROM satellite_renewals WHERE satellite = ?', sat);
  if (next !== undefined && next.bus_key === key && next.nkey === ask.nkey.key) {
    const { certificate: made } = JSON.parse(next.details) as EnrolmentDetails;
    const { issued, ends } = validityOf(made);
    if (now() < issued + (ends - issued) * GIVE_AGAIN) {
      return made;
    }
  }
  const { issued, ends } = validityOf(certificate);
  const early = issued + (ends - issued) * NOT_BEFORE - now();
  const again = (given.get(sat) ?? Number.NEGATIVE_INFINITY) + Math.min(PAUSE_MS, (ends - issued) / 20) - now();
  if (early > 0 || again > 0) {
    throw new Failure(
      'not-yet',
      `The certificate of ${sat} is not to be renewed before ` +
        `${new Date(now() + Math.max(early, again)).toISOString()}.`,
    );
  }
  const { details } = await signer.sign(ask.request, sat);
  given.set(sat, now());
  await change(state, sat, {
    kind: 'satellite.renew',
    args: { id: sat, from: row.bus_key, busKey: key, nkey: ask.nkey.key, details },
  });
  log(`renewal: signed a certificate for ${sat}, which ends on ${new Date(details.ends).toISOString()}`);
  return details.certificate;
}

/** Proposes a change in the satellite's name. @throws Failure `denied` where it is refused, or as the state's */
async function change(state: State, sat: string, draft: { kind: string; args: unknown }): Promise<void> {
  const { result } = await state.replica().propose({ ...draft, actor: `satellite/${sat}` });
  if (!result.ok) {
    throw new Failure('denied', result.message);
  }
}
