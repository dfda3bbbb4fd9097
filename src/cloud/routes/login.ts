import { API_PATHS, SESSION_COOKIE, loginSchema, type LoginReply } from '../api.ts';
import { verifyPassword } from '../auth/password.ts';
import { createSession } from '../auth/sessions.ts';
import { notYet } from '../http/auth.ts';
import { HttpProblem } from '../http/problem.ts';
import { route as define } from '../http/route.ts';

const ADMIN = 'admin';

export const route = define({
  method: 'POST',
  path: API_PATHS.login,
  open: true,
  body: loginSchema,
  async handle({ ctx, cloud, body }) {
    const credentials = cloud.credentials.current();
    if (credentials === undefined) throw notYet();
    const wait = cloud.throttle.attempt(body.user, ctx.ip);
    if (wait > 0) {
      const seconds = Math.ceil(wait / 1000);
      throw new HttpProblem(429, 'too-many-logins', `Too many failed logins. Try again in ${seconds} s.`, { headers: { 'Retry-After': String(seconds) } });
    }
    // The password is hashed for any name, so that the time taken does not tell which exist.
    const matches = await verifyPassword(body.password, credentials.adminPasswordHash);
    if (!matches || body.user !== ADMIN) {
      cloud.throttle.failed(body.user, ctx.ip);
      throw new HttpProblem(401, 'wrong-password', 'User or password is wrong.');
    }
    cloud.throttle.succeeded(body.user, ctx.ip);
    const { token, session } = createSession(ADMIN, credentials, Date.now());
    const expires = new Date(session.expiresAt);
    ctx.cookies.set(SESSION_COOKIE, token, { httpOnly: true, secure: true, sameSite: 'strict', path: '/', expires, overwrite: true });
    ctx.body = { token, expiresAt: expires.toISOString() } satisfies LoginReply;
  },
});
