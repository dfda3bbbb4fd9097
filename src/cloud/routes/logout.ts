import { API_PATHS, SESSION_COOKIE } from '../api.ts';
import { route as define } from '../http/route.ts';

export const route = define({
  method: 'POST',
  path: API_PATHS.logout,
  handle({ ctx, cloud, caller }) {
    if (caller?.kind === 'session') cloud.sessions.end(caller.session.id, caller.session.expiresAt);
    ctx.cookies.set(SESSION_COOKIE, null, { httpOnly: true, secure: true, sameSite: 'strict', path: '/', overwrite: true });
    ctx.status = 204;
  },
});
