import type { Context } from 'koa';
import type { PasswordChange } from '../../api/access.ts';
import type { Store } from '../../store/database.ts';
import type { TokenRow, UserRow } from '../../store/rows.ts';
import { CLIENT_HEADER, SESSION_COOKIE } from '../api-paths.ts';
import { scopesOf, type Caller } from '../auth/access.ts';
import { splitPosition } from '../auth/sessions.ts';
import { hashSecret } from '../auth/tokens.ts';
import type { CloudContext } from '../context.ts';
import { one, sessionById, userByName } from '../state/read.ts';
import { tokenScopes } from '../state/views.ts';
import { HttpProblem, unauthorized } from './problem.ts';

const SESSION_WAIT_MS = 2_000;
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Who sends a request.
 * @throws HttpProblem 401 without valid credentials, 403 for a cookie that a foreign page may have sent; Failure
 *   `starting`.
 */
export function authenticate(ctx: Context, cloud: CloudContext): Caller {
  const header = ctx.get('authorization');
  if (header !== '') {
    const token = /^Bearer +(\S+)$/i.exec(header)?.[1];
    if (token === undefined) {
      throw unauthorized('The header Authorization is no bearer token.');
    }
    return token.startsWith('trr_') ? byToken(token, cloud) : bySession(token, cloud);
  }
  const cookie = ctx.cookies.get(SESSION_COOKIE);
  if (cookie === undefined) {
    throw unauthorized('Log in first.');
  }
  refuseForeignPage(ctx);
  if (!SAFE.has(ctx.method) && ctx.get(CLIENT_HEADER) === '') {
    throw new HttpProblem(403, 'foreign-page', `A request with the cookie needs the header ${CLIENT_HEADER}.`);
  }
  return bySession(cookie, cloud);
}

/**
 * A session may have been made on another instance a moment ago: waits until this one has applied that, for two seconds
 * at most.
 */
export async function awaitSession(ctx: Context, cloud: CloudContext): Promise<void> {
  const text = /^Bearer +(trs_\S+)$/i.exec(ctx.get('authorization'))?.[1] ?? ctx.cookies.get(SESSION_COOKIE);
  const replica = cloud.state.current();
  if (text === undefined || replica === undefined) {
    return;
  }
  const { position } = splitPosition(text);
  if (position > replica.position()) {
    await replica.waitFor(position, SESSION_WAIT_MS);
  }
}

/**
 * The same for opening a WebSocket, which no CORS rule covers and which a browser lets every page open, with our
 * cookie: a page says its origin, and must be one of ours.
 * @throws HttpProblem 403
 */
export function refuseForeignOrigin(ctx: Context): void {
  const origin = ctx.get('origin');
  if (origin === '' ? ctx.get('authorization') !== '' : origin === `https://${ctx.get('host')}`) {
    return;
  }
  throw new HttpProblem(
    403,
    'foreign-page',
    origin === ''
      ? 'A WebSocket opened with the cookie has to say its origin.'
      : 'This WebSocket is opened by a page of another origin.',
  );
}

/**
 * A browser says where a request comes from; only the console's own pages may change anything, or log in. @throws
 * HttpProblem 403
 */
export function refuseForeignPage(ctx: Context): void {
  const from = ctx.get('sec-fetch-site');
  if (SAFE.has(ctx.method) || from === '' || from === 'same-origin' || from === 'none') {
    return;
  }
  throw new HttpProblem(403, 'foreign-page', 'This request comes from a page of another origin.');
}

/** `offered` while the password is one that `user.recover` has brought in, which a command has made up and printed. */
export function passwordChangeOf(db: Store, user: UserRow): PasswordChange {
  if (user.must_change === 1) {
    return 'required';
  }
  const recovered = one<{ at: number }>(db, 'SELECT at FROM recoveries WHERE user = ?', user.name)?.at;
  // The first one of all has no time of its own there.
  return recovered !== undefined && (recovered === 0 ? user.created_at : recovered) === user.password_at
    ? 'offered'
    : 'none';
}

/**
 * Whether who opened a connection that lasts may still read from it: it must not outlive session, token, user, or the
 * rights that it needs.
 * @param may whether a caller has these
 */
export function stillAllowed(
  ctx: Context,
  cloud: CloudContext,
  caller: Caller,
  may: (now: Caller) => boolean,
): boolean {
  const db = cloud.state.current()?.db;
  if (db === undefined) {
    return true;
  }
  if (caller.session === undefined) {
    try {
      return may(authenticate(ctx, cloud));
    } catch {
      return false;
    }
  }
  const session = sessionById(db, caller.session.id);
  // Watching is no use of a session: who only looks on has to log in again, too.
  return (
    session !== undefined &&
    session.expires_at > Date.now() &&
    !cloud.sessionUse.idle(session.id, session.created_at) &&
    userByName(db, caller.user)?.role === caller.role
  );
}

function bySession(token: string, cloud: CloudContext): Caller {
  const replica = cloud.state.replica();
  const session = token.startsWith('trs_')
    ? sessionById(replica.db, hashSecret(splitPosition(token).token))
    : undefined;
  const user = session === undefined ? undefined : userByName(replica.db, session.user);
  if (session === undefined || user === undefined || user.disabled === 1 || session.expires_at <= Date.now()) {
    throw unauthorized('The session has ended. Log in again.');
  }
  if (cloud.sessionUse.use(session.id, session.created_at)) {
    // It is over here at once, whether or not the others can be told now.
    void replica.propose({ kind: 'session.delete', actor: user.name, args: { id: session.id } }).catch(() => undefined);
    throw unauthorized('The session was not used for 30 minutes. Log in again.');
  }
  return {
    user: user.name,
    role: user.role,
    scopes: new Set(scopesOf(user.role)),
    actor: user.name,
    passwordChange: passwordChangeOf(replica.db, user),
    session: { id: session.id, expiresAt: session.expires_at },
  };
}

function byToken(token: string, cloud: CloudContext): Caller {
  const { db } = cloud.state.replica();
  const row = one<TokenRow>(db, 'SELECT * FROM tokens WHERE hash = ?', hashSecret(token));
  const user = row === undefined ? undefined : userByName(db, row.owner);
  if (row === undefined || user === undefined || user.disabled === 1) {
    throw unauthorized('The API token is not valid.');
  }
  if (row.expires_at <= Date.now()) {
    throw unauthorized('The API token has expired.');
  }
  const allowed = scopesOf(user.role);
  const scopes = tokenScopes(row).filter((s) => allowed.includes(s));
  return {
    user: user.name,
    role: user.role,
    scopes: new Set(scopes),
    actor: `token/${row.id}`,
    passwordChange: 'none',
    token: row.id,
  };
}
