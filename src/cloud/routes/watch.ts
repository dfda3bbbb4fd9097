import { PassThrough } from 'node:stream';
import { API_PATHS } from '../api.ts';
import { route as define } from '../http/route.ts';

/** At most one event in this time; a comment where nothing changed, so that both ends notice a dead connection. */
const PACE_MS = 500;
const KEEP_ALIVE_MS = 10_000;

export const route = define({
  method: 'GET',
  path: API_PATHS.watch,
  handle({ ctx, cloud, caller }) {
    const out = new PassThrough();
    let timer: NodeJS.Timeout | undefined;
    let last = '';
    const send = (): void => {
      timer = undefined;
      // A reader that does not keep up gets the newest state when it does.
      if (out.writableNeedDrain) {
        timer = setTimeout(send, PACE_MS);
        return;
      }
      const overview = cloud.overview();
      const content = JSON.stringify({ ...overview, at: '' });
      if (content === last) return;
      last = content;
      out.write(`event: overview\ndata: ${JSON.stringify(overview)}\n\n`);
    };
    const stopListening = cloud.changes.listen(() => (timer ??= setTimeout(send, PACE_MS)));
    const keepAlive = setInterval(() => {
      if (!out.writableNeedDrain) out.write(': still here\n\n');
    }, KEEP_ALIVE_MS);
    const end = (): void => {
      out.end();
    };
    const expiry = caller?.kind === 'session' ? setTimeout(end, Math.min(caller.session.expiresAt - Date.now(), 2 ** 31 - 1)) : undefined;
    cloud.signal.addEventListener('abort', end);
    out.once('close', () => {
      stopListening();
      clearInterval(keepAlive);
      clearTimeout(timer);
      clearTimeout(expiry);
      cloud.signal.removeEventListener('abort', end);
    });
    ctx.res.once('close', () => out.destroy());
    ctx.type = 'text/event-stream';
    ctx.set('X-Accel-Buffering', 'no');
    ctx.body = out;
    send();
  },
});
