import { loginReply, loginSchema } from '../../api/access.ts';
import { API_PATHS } from '../api-paths.ts';
import { HASH_OF_NOBODY, verifyPassword } from '../auth/password.ts';
import { passwordChangeOf, refuseForeignPage } from '../http/auth.ts';
import { openSession, turnOf } from '../http/login.ts';
import { HttpProblem, tooMany } from '../http/problem.ts';
import { route as define } from '../http/route.ts';
import { one, userByName } from '../state/read.ts';

export const route = define({
  method: 'POST',
  path: API_PATHS.login,
  summary: 'Opens a session; its token comes as cookie and in the answer.',
  scope: 'open',
  body: loginSchema,
  reply: loginReply,
  audit: ['session.create', 'login.failed'],
  async handle({ ctx, cloud, body }) {
    refuseForeignPage(ctx);
    const { db } = cloud.state.replica();
    if (one(db, 'SELECT 1 FROM users') === undefined) {
      throw new HttpProblem(503, 'starting', 'This instance does not know any user yet.', {
        headers: { 'Retry-After': '2' },
      });
    }
    const wait = cloud.throttle.attempt(body.user, ctx.ip);
    if (wait > 0) {
      cloud.failedLogins.failed(body.user, ctx.ip);
      throw tooMany('Too many failed logins.', wait);
    }
    const user = userByName(db, body.user);
    // Hashed for any name, so that the time taken does not tell which exist.
    const matches = await verifyPassword(body.password, user?.password_hash ?? HASH_OF_NOBODY, turnOf(ctx)).catch(
      (error: unknown) => {
        cloud.throttle.unseen(body.user, ctx.ip);
        throw error;
      },
    );
    if (!matches || user === undefined || user.disabled === 1) {
      cloud.throttle.failed(body.user, ctx.ip);
      cloud.failedLogins.failed(body.user, ctx.ip);
      throw new HttpProblem(401, 'wrong-password', 'User or password is wrong.');
    }
    cloud.throttle.succeeded(body.user, ctx.ip);
    return { ...(await openSession({ ctx, cloud }, user)), passwordChange: passwordChangeOf(db, user) };
  },
});
