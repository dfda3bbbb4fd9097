import { loginReply, passwordSchema } from '../../api/access.ts';
import { API_PATHS } from '../api-paths.ts';
import { hashPassword, verifyPassword } from '../auth/password.ts';
import { change } from '../http/change.ts';
import { openSession, turnOf } from '../http/login.ts';
import { HttpProblem, forbidden, tooMany, unauthorized } from '../http/problem.ts';
import { route as define } from '../http/route.ts';
import { userByName } from '../state/read.ts';

export const route = define({
  method: 'POST',
  path: API_PATHS.password,
  summary: 'Changes the own password; all sessions end, and the caller gets a new one.',
  scope: 'self',
  beforePasswordChange: true,
  body: passwordSchema,
  reply: loginReply,
  audit: ['user.password', 'session.create'],
  async handle(request) {
    const { ctx, cloud, body, caller } = request;
    if (caller.session === undefined) {
      throw forbidden('A password is changed in a session, not by an API token.');
    }
    const user = userByName(cloud.state.replica().db, caller.user);
    if (user === undefined) {
      throw unauthorized('The session has ended. Log in again.');
    }
    // By the session, and not by the address: who guesses there at the login keeps nobody from this.
    const by = `session ${caller.session.id}`;
    const turn = turnOf(ctx, caller);
    const wait = cloud.throttle.attempt(caller.user, by);
    if (wait > 0) {
      throw tooMany('Too many wrong passwords.', wait);
    }
    const matches = await verifyPassword(body.current, user.password_hash, turn).catch((error: unknown) => {
      cloud.throttle.unseen(caller.user, by);
      throw error;
    });
    if (!matches) {
      cloud.throttle.failed(caller.user, by);
      throw new HttpProblem(403, 'wrong-password', 'The current password is wrong.');
    }
    cloud.throttle.succeeded(caller.user, by);
    if (body.password === body.current) {
      throw new HttpProblem(400, 'invalid-body', 'The request is not valid.', {
        errors: [{ path: 'password', message: 'This is the current password.' }],
      });
    }
    const passwordHash = await hashPassword(body.password, turn);
    await change(request, {
      kind: 'user.password',
      args: { name: user.name, passwordHash, mustChangePassword: false },
      on: { resource: `user/${user.name}`, expect: user.version },
    });
    const changed = userByName(cloud.state.replica().db, user.name);
    if (changed === undefined) {
      throw unauthorized('The user is no longer there.');
    }
    return { ...(await openSession({ ctx, cloud }, changed)), passwordChange: 'none' as const };
  },
});
