import { API_PATHS, SESSION_COOKIE } from '../api-paths.ts';
import { change } from '../http/change.ts';
import { COOKIE } from '../http/login.ts';
import { HttpProblem } from '../http/problem.ts';
import { route as define } from '../http/route.ts';

export const route = define({
  method: 'POST',
  path: API_PATHS.logout,
  summary: 'Ends the session by which it is asked.',
  scope: 'self',
  beforePasswordChange: true,
  audit: ['session.delete'],
  async handle(request) {
    const { session } = request.caller;
    if (session !== undefined) {
      await change(request, { kind: 'session.delete', args: { id: session.id } }).catch((error: unknown) => {
        // Ended in the meantime by somebody else: it has ended.
        if (!(error instanceof HttpProblem && error.problem.status === 404)) {
          throw error;
        }
      });
    }
    request.ctx.cookies.set(SESSION_COOKIE, null, COOKIE);
  },
});
