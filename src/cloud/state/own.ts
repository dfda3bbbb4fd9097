import type { TokenRow } from '../../store/rows.ts';
import type { Caller } from '../auth/access.ts';
import type { CloudContext } from '../context.ts';
import { forbidden, notFound } from '../http/problem.ts';
import { sessionById, tokenById, type SessionRow } from './read.ts';

/** What is somebody else's is not there, but for administrators. @throws HttpProblem 404 */
export function ownToken(cloud: CloudContext, caller: Caller, id: string): TokenRow {
  const token = tokenById(cloud.state.replica().db, id);
  if (token === undefined || (token.owner !== caller.user && !caller.scopes.has('admin'))) throw notFound(`There is no token ${id}.`);
  return token;
}

/** @throws HttpProblem 404 */
export function ownSession(cloud: CloudContext, caller: Caller, id: string): SessionRow {
  const session = sessionById(cloud.state.replica().db, id);
  if (session === undefined || (session.user !== caller.user && !caller.scopes.has('admin'))) throw notFound('There is no such session.');
  return session;
}

/** Everybody sees it; its owner and administrators change it. @param what such as `The query q1` @param owner of what is there; undefined where there is nothing @throws HttpProblem 403 */
export function refuseOthers(caller: Caller, what: string, owner: string | undefined): void {
  if (owner !== undefined && owner !== caller.user && !caller.scopes.has('admin')) throw forbidden(`${what} is ${owner}'s.`);
}
