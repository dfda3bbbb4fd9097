import type { Context } from 'koa';
import { clientOf } from '../../client-address.ts';
import { HTTP_STATUS } from '../../store/replica.ts';
import type { UserRow } from '../../store/rows.ts';
import { SEQ_HEADER, SESSION_COOKIE } from '../api-paths.ts';
import type { Caller } from '../auth/access.ts';
import { SESSION_MS, createSession, withPosition } from '../auth/sessions.ts';
import type { Turn } from '../auth/turns.ts';
import type { CloudContext } from '../context.ts';
import { HttpProblem } from './problem.ts';

/**
 * A request's turn at hashing passwords, until it closes: that of its client, or, of a caller who is known already, his
 * own, whoever else comes from his address.
 */
export function turnOf(ctx: Context, caller?: Caller): Turn {
  const gone = new AbortController();
  if (ctx.res.closed) {
    gone.abort();
  } else {
    ctx.res.once('close', () => gone.abort());
  }
  return { client: caller === undefined ? `from ${clientOf(ctx.ip)}` : `by ${caller.actor}`, signal: gone.signal };
}

export const COOKIE = { httpOnly: true, secure: true, sameSite: 'strict', path: '/', overwrite: true } as const;

/**
 * Opens a session for a user whose password has just been checked and sets its cookie.
 * @throws HttpProblem 409 where the user was changed meanwhile, so that a password that is no longer his opens none.
 */
export async function openSession(
  { ctx, cloud }: { ctx: Context; cloud: CloudContext },
  user: UserRow,
): Promise<{ token: string; expiresAt: string }> {
  const { token, id } = createSession();
  const expires = new Date(Date.now() + SESSION_MS);
  const { position, result } = await cloud.state.replica().propose({
    kind: 'session.create',
    actor: user.name,
    expect: { resource: `user/${user.name}`, version: user.version },
    args: { id, user: user.name, address: ctx.ip, expiresAt: expires.getTime() },
  });
  if (!result.ok) {
    throw new HttpProblem(
      HTTP_STATUS[result.code] ?? 409,
      result.code,
      result.code === 'version-conflict' ? 'The user has just been changed. Log in again.' : result.message,
    );
  }
  ctx.set(SEQ_HEADER, String(position));
  const given = withPosition(token, position);
  ctx.cookies.set(SESSION_COOKIE, given, { ...COOKIE, expires });
  return { token: given, expiresAt: expires.toISOString() };
}
