import { sessionReply, type SessionReply } from '../../api/access.ts';
import { API_PATHS } from '../api-paths.ts';
import { authenticate } from '../http/auth.ts';
import { problemOf } from '../http/problem.ts';
import { route as define } from '../http/route.ts';

/**
 * Whether the caller is logged in: a question and not an error, so that the console's first page leaves none in the
 * browser's log.
 */
export const route = define({
  method: 'GET',
  path: API_PATHS.session,
  summary: 'Who the caller is; user null where nobody is logged in.',
  scope: 'open',
  reply: sessionReply,
  handle({ ctx, cloud }): SessionReply {
    try {
      const { user, role, scopes, passwordChange } = authenticate(ctx, cloud);
      return { user, role, scopes: [...scopes], passwordChange };
    } catch (error) {
      if (problemOf(error) === undefined) {
        throw error;
      }
      return { user: null };
    }
  },
});
