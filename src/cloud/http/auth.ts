import type { Context } from 'koa';
import { CLIENT_HEADER, SESSION_COOKIE } from '../api.ts';
import { apiTokenMatches } from '../auth/credentials.ts';
import { readSession, type Session } from '../auth/sessions.ts';
import type { CloudContext } from '../context.ts';
import { HttpProblem } from './problem.ts';

/** Who sends a request: a session (of the browser or the command line), or the command line's API token. */
export type Caller = { kind: 'session'; session: Session } | { kind: 'token' };

/** @throws HttpProblem 401 without valid credentials, 403 for a cookie that a foreign page may have sent, 503 before credentials are known. */
export function authenticate(ctx: Context, cloud: CloudContext): Caller {
  const credentials = cloud.credentials.current();
  if (credentials === undefined) throw notYet();
  const bearer = /^Bearer +(\S+)$/i.exec(ctx.get('authorization'))?.[1];
  if (bearer !== undefined) {
    if (bearer.startsWith('trr_') && apiTokenMatches(bearer, credentials)) return { kind: 'token' };
    return bySession(bearer, cloud);
  }
  const cookie = ctx.cookies.get(SESSION_COOKIE);
  if (cookie === undefined) throw unauthorized('Log in first.');
  if (ctx.method !== 'GET' && ctx.method !== 'HEAD' && ctx.get(CLIENT_HEADER) === '') {
    throw new HttpProblem(403, 'foreign-page', `A request with the cookie needs the header ${CLIENT_HEADER}.`);
  }
  return bySession(cookie, cloud);
}

function bySession(token: string, cloud: CloudContext): Caller {
  const credentials = cloud.credentials.current();
  const session = credentials === undefined ? undefined : readSession(token, credentials, Date.now());
  if (session === undefined || cloud.sessions.ended.has(session.id)) throw unauthorized('The session has ended. Log in again.');
  return { kind: 'session', session };
}

function unauthorized(title: string): HttpProblem {
  return new HttpProblem(401, 'unauthorized', title, { headers: { 'WWW-Authenticate': 'Bearer' } });
}

export function notYet(): HttpProblem {
  return new HttpProblem(503, 'starting', 'This instance does not know the credentials yet: the Kubernetes API has not been reached since it was installed.', { headers: { 'Retry-After': '2' } });
}
