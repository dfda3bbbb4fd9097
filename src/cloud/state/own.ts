import type { TokenRow } from '../../store/rows.ts';
import type { Caller } from '../auth/access.ts';
import type { CloudContext } from '../context.ts';
import { forbidden, notFound } from '../http/problem.ts';
import { sessionById, tokenById, type SessionRow } from './read.ts';

/**
 * What a caller sees and may end of tokens and sessions: an administrator, by session or by token, those of all; who
 * has a session, his user's own.
 * Any other token only itself: it may be in many hands, and in none of them is it to end what its owner works with.
 */
export type Own = { of: 'all' } | { of: 'user'; user: string } | { of: 'token'; token: string };

export function ownOf(caller: Caller): Own {
  if (caller.scopes.has('admin')) {
    return { of: 'all' };
  }
  return caller.token === undefined ? { of: 'user', user: caller.user } : { of: 'token', token: caller.token };
}

/** What is not one's own is not there. @throws HttpProblem 404 */
export function ownToken(cloud: CloudContext, caller: Caller, id: string): TokenRow {
  const own = ownOf(caller);
  const token = tokenById(cloud.state.replica().db, id);
  if (
    token === undefined ||
    (own.of === 'user' && token.owner !== own.user) ||
    (own.of === 'token' && token.id !== own.token)
  ) {
    throw notFound(`There is no token ${id}.`);
  }
  return token;
}

/** @throws HttpProblem 404 */
export function ownSession(cloud: CloudContext, caller: Caller, id: string): SessionRow {
  const own = ownOf(caller);
  const session = sessionById(cloud.state.replica().db, id);
  if (session === undefined || own.of === 'token' || (own.of === 'user' && session.user !== own.user)) {
    throw notFound('There is no such session.');
  }
  return session;
}

/**
 * Everybody sees it; its owner and administrators change it. @param what such as `The query q1` @param owner of what is
 * there; undefined where there is nothing @throws HttpProblem 403
 */
export function refuseOthers(caller: Caller, what: string, owner: string | undefined): void {
  if (owner !== undefined && owner !== caller.user && !caller.scopes.has('admin')) {
    throw forbidden(`${what} is ${owner}'s.`);
  }
}
