import { randomBytes } from 'node:crypto';
import type { Context } from 'koa';
import { isSignedBy } from '../bus/nkey.ts';
import { Failure } from '../errors.ts';
import { fingerprint } from '../pki/authority.ts';
import { DAY_MS } from '../pki/crypto.ts';
import { validityOf } from '../pki/validity.ts';
import type { EnrolmentTokenRow, SatelliteRow } from '../store/rows.ts';
import { KEYS_SCHEMA } from '../store/satellite-states.ts';
import type { Caller } from './auth/access.ts';
import { hashSecret } from './auth/tokens.ts';
import type { CloudContext } from './context.ts';
import { change, setVersion } from './http/change.ts';
import { HttpProblem, forbidden } from './http/problem.ts';
import { credentialEnds, type EnrolmentDetails } from './satellites-admission.ts';
import { REVOKED_KEY, type EnrolmentTokenReply, type EnrolReply, type EnrolRequest } from './satellites-api.ts';
import { one } from './state/read.ts';
import { showEnrolmentToken } from './state/views.ts';

/** `tre_<id>_<secret>`; the secret has 256 random bits and is stored nowhere. */
export function createEnrolmentToken(): { id: string; token: string } {
  const id = randomBytes(8).toString('hex');
  return { id, token: `tre_${id}_${randomBytes(32).toString('base64url')}` };
}

/**
 * Makes a token for one satellite. @throws HttpProblem 409 for a repetition, whose secret is lost; Failure of the state
 */
export async function issueToken(
  request: { ctx: Context; cloud: CloudContext; caller: Pick<Caller, 'actor'> },
  { tags, minutes }: { tags: Record<string, string>; minutes: number },
): Promise<EnrolmentTokenReply> {
  const { ctx, cloud } = request;
  const { id, token } = createEnrolmentToken();
  const hash = hashSecret(token);
  await change(request, {
    kind: 'enrolment.create',
    args: { id, hash, tags, uses: 1, expiresAt: Date.now() + minutes * 60_000 },
  });
  const row = one<EnrolmentTokenRow>(cloud.state.replica().db, 'SELECT * FROM enrolment_tokens WHERE id = ?', id);
  // A repetition by its id has the first try's result, but not its secret.
  if (row?.hash !== hash) {
    throw new HttpProblem(
      409,
      'already-done',
      'This token was made by an earlier try, whose answer is lost. Make another one.',
    );
  }
  setVersion(ctx, row);
  return {
    ...showEnrolmentToken(row),
    token,
    caHash: fingerprint(cloud.enrolment.ca()),
    addresses: cloud.enrolment.consoles(),
  };
}

/**
 * Enrols a satellite by its token. The same request again, whose first answer may have been lost, gets the same
 * certificate.
 * @throws HttpProblem 400 for a request that is none, 403 for the token, 409 for an id that is taken; Failure of the
 *   state
 */
export async function enrol(ctx: Context, cloud: CloudContext, body: EnrolRequest): Promise<EnrolReply> {
  const { enrolment } = cloud;
  const token = one<EnrolmentTokenRow>(
    cloud.state.replica().db,
    'SELECT * FROM enrolment_tokens WHERE hash = ?',
    hashSecret(body.token),
  );
  if (token === undefined) {
    throw forbidden('This enrolment token does not exist.');
  }
  const authority = await enrolment.authority();
  const key = await valid(authority.keyOf(body.request));
  const nkey = body.nkey?.key;
  const reply = (certificate: string): EnrolReply => ({
    id: body.id,
    certificate,
    ca: enrolment.ca(),
    clouds: enrolment.clouds(),
    consoles: enrolment.consoles(),
  });
  if (body.nkey !== undefined && !isSignedBy(body.nkey.key, body.request, body.nkey.signature)) {
    throw new HttpProblem(400, 'invalid-request', 'The nkey has not signed the request.');
  }
  if (enrolment.nodes().includes(body.id)) {
    throw new HttpProblem(
      409,
      'exists',
      `${body.id} is a node of the cluster, which has a satellite already. Choose another id.`,
    );
  }
  const before = satelliteRow(cloud, body.id);
  if (token.uses_left < 1 || token.expires_at < Date.now()) {
    const known = enrolledCertificate(before, key, nkey);
    if (known !== undefined) {
      return reply(known);
    }
    throw forbidden(
      token.uses_left < 1 ? 'This enrolment token has been used up.' : 'This enrolment token has expired.',
    );
  }
  refuseTaken(cloud, body.id, before, { key, nkey });

  const { details } = await valid(authority.sign(body.request, body.id));
  try {
    await recordEnrolment({ ctx, cloud }, body, { token: token.id, key, nkey, details });
  } catch (error) {
    // Two of the same request at once: the other one has spent the token.
    const done = enrolledCertificate(satelliteRow(cloud, body.id), key, nkey);
    if (error instanceof HttpProblem && error.problem.status === 403 && done !== undefined) {
      return reply(done);
    }
    throw error;
  }
  const stored = enrolledCertificate(satelliteRow(cloud, body.id), key, nkey);
  if (stored === undefined) {
    throw new HttpProblem(409, 'exists', `${body.id} has been changed meanwhile.`);
  }
  return reply(stored);
}

const satelliteRow = (cloud: CloudContext, id: string): SatelliteRow | undefined =>
  one(cloud.state.replica().db, 'SELECT * FROM satellites WHERE id = ?', id);

/** @throws HttpProblem 409 for the id of another satellite that is let in, 403 for a key that was revoked */
function refuseTaken(
  cloud: CloudContext,
  id: string,
  before: SatelliteRow | undefined,
  { key, nkey }: { key: string; nkey: string | undefined },
): void {
  if (
    before !== undefined &&
    before.state !== 'revoked' &&
    before.bus_key !== key &&
    (endsOf(before) ?? Date.now()) >= Date.now()
  ) {
    throw new HttpProblem(
      409,
      'exists',
      `There is another satellite ${id} already. Choose another id, or revoke that one first.`,
    );
  }
  if ((before?.state === 'revoked' && before.bus_key === key) || isRevoked(cloud, [key, nkey ?? key])) {
    throw new HttpProblem(403, REVOKED_KEY, `This key of ${id} has been revoked for good. Enrol with a new one.`);
  }
}

/** Has the enrolment carried out in the token's name. @throws HttpProblem where it is refused; Failure of the state */
async function recordEnrolment(
  request: { ctx: Context; cloud: CloudContext },
  body: EnrolRequest,
  { token, key, nkey, details }: { token: string; key: string; nkey: string | undefined; details: EnrolmentDetails },
): Promise<void> {
  await change(
    { ...request, caller: { actor: `enrolment/${token}` } },
    {
      kind: 'satellite.enrol',
      args: {
        id: body.id,
        name: body.name ?? body.id,
        tags: {},
        access: 'both',
        busKey: key,
        httpsKey: '',
        details,
        token,
        ...(nkey === undefined ? {} : { nkey }),
      },
    },
  );
}

const endsOf = (row: Pick<SatelliteRow, 'details'>): number | undefined =>
  credentialEnds(JSON.parse(row.details) as Partial<EnrolmentDetails>);

/** As this instance knows; the state itself refuses what has been revoked a moment ago. */
function isRevoked(cloud: CloudContext, keys: [string, string]): boolean {
  const replica = cloud.state.replica();
  return (
    replica.status().schema >= KEYS_SCHEMA &&
    one(replica.db, 'SELECT 1 FROM revoked_keys WHERE key IN (?, ?)', ...keys) !== undefined
  );
}

/** The certificate that these keys got for this id, while it is good for some time yet. */
function enrolledCertificate(row: SatelliteRow | undefined, key: string, nkey: string | undefined): string | undefined {
  if (row === undefined || row.state === 'revoked' || row.bus_key !== key || row.nkey !== (nkey ?? '')) {
    return undefined;
  }
  const { certificate } = JSON.parse(row.details) as Partial<EnrolmentDetails>;
  if (certificate === undefined) {
    return undefined;
  }
  const { issued, ends } = validityOf(certificate);
  return ends - Date.now() > Math.min(DAY_MS, (ends - issued) / 2) ? certificate : undefined;
}

async function valid<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof Failure && error.code === 'bad-request') {
      throw new HttpProblem(400, 'invalid-request', error.message);
    }
    throw error;
  }
}
