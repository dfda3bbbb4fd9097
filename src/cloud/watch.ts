import { PassThrough } from 'node:stream';
import type { Context } from 'koa';
import type { Topic } from './api.ts';
import type { Caller } from './auth/access.ts';
import type { CloudContext } from './context.ts';
import { stillAllowed } from './http/auth.ts';
import { changesAfter, oldestChange } from './state/changes.ts';

/** At most one overview in this time; a comment where nothing changed, so that both ends notice a dead connection. */
const PACE_MS = 500;
const KEEP_ALIVE_MS = 10_000;

/** Sends server-sent events until the reader, the session or this instance goes. A reader that does not keep up gets the newest overview when it does, and every change. */
export function openWatch(ctx: Context, cloud: CloudContext, caller: Caller, topics: ReadonlySet<Topic>, since: number): void {
  const out = new PassThrough();
  let timer: NodeJS.Timeout | undefined;
  let last = '';
  let sent = since;

  const end = (reason: string): void => {
    if (!out.writableEnded) out.end(`event: end\ndata: ${JSON.stringify({ reason })}\n\n`);
  };
  const sendOverview = (): void => {
    timer = undefined;
    if (out.writableNeedDrain) {
      timer = setTimeout(sendOverview, PACE_MS);
      return;
    }
    const overview = cloud.overview();
    const content = JSON.stringify({ ...overview, at: '' });
    if (content === last) return;
    last = content;
    out.write(`event: overview\ndata: ${JSON.stringify(overview)}\n\n`);
  };
  const sendChanges = (): void => {
    const replica = cloud.state.current();
    if (replica === undefined) return;
    for (let more = true; more && !out.writableNeedDrain && !out.writableEnded; ) {
      if (sent < oldestChange(replica.db) - 1 || sent > replica.position()) return end('compacted');
      const found = changesAfter(replica.db, sent, topics);
      for (const line of found.lines) out.write(`id: ${line.seq}\nevent: change\ndata: ${JSON.stringify(line)}\n\n`);
      sent = found.upTo;
      more = found.more;
    }
  };
  const allowed = (): boolean => stillAllowed(ctx, cloud, caller);

  const stopListening = topics.has('overview') ? cloud.changes.listen(() => (timer ??= setTimeout(sendOverview, PACE_MS))) : (): void => undefined;
  const stopChanges = cloud.state.onChange(() => {
    if (!allowed()) end('session');
    else if (topics.size > (topics.has('overview') ? 1 : 0)) sendChanges();
  });
  out.on('drain', () => sendChanges());
  const keepAlive = setInterval(() => {
    if (!allowed()) end('session');
    else if (!out.writableNeedDrain) out.write(': still here\n\n');
  }, KEEP_ALIVE_MS);
  const stopped = (): void => end('stopping');
  cloud.signal.addEventListener('abort', stopped);
  out.once('close', () => {
    stopListening();
    stopChanges();
    clearInterval(keepAlive);
    clearTimeout(timer);
    cloud.signal.removeEventListener('abort', stopped);
  });
  ctx.res.once('close', () => out.destroy());
  ctx.type = 'text/event-stream';
  ctx.set('X-Accel-Buffering', 'no');
  ctx.body = out;
  // Headers go out with the first byte: the reader shall know at once that it is heard.
  out.write(': watching\n\n');
  if (topics.has('overview')) sendOverview();
  sendChanges();
}
