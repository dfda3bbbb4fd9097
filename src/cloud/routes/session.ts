import { API_PATHS, type SessionReply } from '../api.ts';
import { authenticate } from '../http/auth.ts';
import { HttpProblem } from '../http/problem.ts';
import { route as define } from '../http/route.ts';

/** Whether the caller is logged in: a question and not an error, so that the console's first page leaves none in the browser's log. */
export const route = define({
  method: 'GET',
  path: API_PATHS.session,
  open: true,
  handle({ ctx, cloud }) {
    let user: string | null = null;
    try {
      const caller = authenticate(ctx, cloud);
      user = caller.kind === 'session' ? caller.session.user : 'admin';
    } catch (error) {
      if (!(error instanceof HttpProblem)) throw error;
    }
    ctx.body = { user } satisfies SessionReply;
  },
});
