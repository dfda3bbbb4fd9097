import { PassThrough } from 'node:stream';
import type { Context } from 'koa';
import type { Topic, WatchStart } from '../api/watch.ts';
import type { Caller } from './auth/access.ts';
import type { CloudContext } from './context.ts';
import { stillAllowed } from './http/auth.ts';
import { gatherChanges } from './satellites-watch.ts';
import { changesAfter, oldestChange, watchable } from './state/changes.ts';

/**
 * At most one overview and one event of the fleet in this time; a comment where nothing changed, so that both ends
 * notice a dead connection.
 */
const PACE_MS = 1_000;
const KEEP_ALIVE_MS = 10_000;

export interface WatchOptions {
  topics: ReadonlySet<Topic>;
  /** Position from which on changes are sent. */
  since: number;
  /** Satellites whose heartbeats are sent with `fleet`. */
  follow: ReadonlySet<string>;
}

/** Topics that are not in the log of changes. */
const UNLOGGED: ReadonlySet<Topic> = new Set(['overview', 'fleet']);

/**
 * Sends server-sent events until the reader, the session or this instance goes. A reader that does not keep up gets the
 * newest overview and what has changed in the fleet when it does, and every change.
 */
export function openWatch(
  ctx: Context,
  cloud: CloudContext,
  caller: Caller,
  { topics, since, follow }: WatchOptions,
): void {
  // Who has gone while this instance caught up: nothing would tell of it any more.
  if (ctx.res.closed) {
    return;
  }
  const out = new PassThrough();
  const logged = [...topics].some((t) => !UNLOGGED.has(t));
  const allowed = (): boolean =>
    stillAllowed(ctx, cloud, caller, (now) => [...topics].every((topic) => watchable(topic, now)));
  const sendOverview = overviewSender(out, cloud);
  const sendChanges = logged ? changesSender(out, cloud, topics, since) : (): void => undefined;

  const overviews = paced(out, sendOverview);
  const stopListening = topics.has('overview') ? cloud.changes.listen(overviews.ask) : (): void => undefined;
  const lines = paced(out, () => {
    const line = fleet?.take();
    if (line !== undefined) {
      out.write(`event: fleet\ndata: ${JSON.stringify(line)}\n\n`);
    }
  });
  const fleet = topics.has('fleet') ? gatherChanges(cloud.satellites, follow, lines.ask) : undefined;
  const stopChanges = cloud.state.onChange(() => {
    if (!allowed()) {
      end(out, 'session');
    } else {
      sendChanges();
    }
  });
  out.on('drain', sendChanges);
  const keepAlive = setInterval(() => {
    if (!allowed()) {
      end(out, 'session');
    } else if (!out.writableNeedDrain) {
      out.write(': still here\n\n');
    }
  }, KEEP_ALIVE_MS);
  const stopped = (): void => end(out, 'stopping');
  cloud.signal.addEventListener('abort', stopped);
  out.once('close', () => {
    stopListening();
    stopChanges();
    clearInterval(keepAlive);
    overviews.stop();
    lines.stop();
    fleet?.stop();
    cloud.signal.removeEventListener('abort', stopped);
  });
  ctx.res.once('close', () => out.destroy());
  ctx.type = 'text/event-stream';
  ctx.set('X-Accel-Buffering', 'no');
  ctx.body = out;
  // Headers go out with the first byte: the reader shall know at once that it is heard.
  // With the position, so that a browser that comes back says from where on.
  const start: WatchStart = { seq: since, version: cloud.satellites.version(), user: caller.user, role: caller.role };
  out.write(`id: ${since}\nevent: start\ndata: ${JSON.stringify(start)}\n\n`);
  if (topics.has('overview')) {
    sendOverview();
  }
  sendChanges();
}

/** Says why the stream ends, and ends it. */
function end(out: PassThrough, reason: string): void {
  if (!out.writableEnded) {
    out.end(`event: end\ndata: ${JSON.stringify({ reason })}\n\n`);
  }
}

/** Calls back some time after it was asked to, however often; later where the reader does not keep up. */
function paced(out: PassThrough, send: () => void): { ask(): void; stop(): void } {
  let timer: NodeJS.Timeout | undefined;
  const run = (): void => {
    timer = undefined;
    if (out.writableNeedDrain) {
      timer = setTimeout(run, PACE_MS);
    } else {
      send();
    }
  };
  return { ask: () => void (timer ??= setTimeout(run, PACE_MS)), stop: () => clearTimeout(timer) };
}

/** Returns a function that sends the overview as it is now, if it is another one than was sent last. */
function overviewSender(out: PassThrough, cloud: CloudContext): () => void {
  let last = '';
  return () => {
    const overview = cloud.overview();
    const content = JSON.stringify({ ...overview, at: '' });
    if (content === last) {
      return;
    }
    last = content;
    out.write(`event: overview\ndata: ${JSON.stringify(overview)}\n\n`);
  };
}

/** Returns a function that sends the changes since those that were sent last, as far as the reader takes them. */
function changesSender(out: PassThrough, cloud: CloudContext, topics: ReadonlySet<Topic>, since: number): () => void {
  let sent = since;
  return () => {
    const replica = cloud.state.current();
    if (replica === undefined) {
      return;
    }
    for (let more = true; more && !out.writableNeedDrain && !out.writableEnded;) {
      if (sent < oldestChange(replica.db) - 1 || sent > replica.position()) {
        return end(out, 'compacted');
      }
      const found = changesAfter(replica.db, sent, topics);
      for (const line of found.lines) {
        out.write(`id: ${line.seq}\nevent: change\ndata: ${JSON.stringify(line)}\n\n`);
      }
      sent = found.upTo;
      more = found.more;
    }
  };
}
