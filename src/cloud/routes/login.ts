import { API_PATHS, loginReply, loginSchema } from '../api.ts';
import { hashPassword, verifyPassword } from '../auth/password.ts';
import { passwordChangeOf, refuseForeignPage } from '../http/auth.ts';
import { openSession } from '../http/login.ts';
import { HttpProblem } from '../http/problem.ts';
import { route as define } from '../http/route.ts';
import { one, userByName } from '../state/read.ts';

/** Compared with where there is no such user, so that the time taken does not tell which exist. */
let nobody: Promise<string> | undefined;

export const route = define({
  method: 'POST',
  path: API_PATHS.login,
  summary: 'Opens a session; its token comes as cookie and in the answer.',
  scope: 'open',
  body: loginSchema,
  reply: loginReply,
  audit: ['session.create'],
  async handle({ ctx, cloud, body }) {
    refuseForeignPage(ctx);
    const { db } = cloud.state.replica();
    if (one(db, 'SELECT 1 FROM users') === undefined) throw new HttpProblem(503, 'starting', 'This instance does not know any user yet.', { headers: { 'Retry-After': '2' } });
    const wait = cloud.throttle.attempt(body.user, ctx.ip);
    if (wait > 0) {
      const seconds = Math.ceil(wait / 1000);
      throw new HttpProblem(429, 'too-many-logins', `Too many failed logins. Try again in ${seconds} s.`, { headers: { 'Retry-After': String(seconds) } });
    }
    const user = userByName(db, body.user);
    const hash = user?.password_hash ?? (await (nobody ??= hashPassword('nobody')));
    const matches = await verifyPassword(body.password, hash);
    if (!matches || user === undefined || user.disabled === 1) {
      cloud.throttle.failed(body.user, ctx.ip);
      throw new HttpProblem(401, 'wrong-password', 'User or password is wrong.');
    }
    cloud.throttle.succeeded(body.user, ctx.ip);
    return { ...(await openSession({ ctx, cloud }, user)), passwordChange: passwordChangeOf(user) };
  },
});
