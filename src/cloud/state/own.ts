import type { TokenRow } from '../../store/rows.ts';
import type { Caller } from '../auth/access.ts';
import type { CloudContext } from '../context.ts';
import { notFound } from '../http/problem.ts';
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
