import type { Overview } from '../api/overview.ts';
import type { ChangeLine, FleetLine, Topic, WatchStart } from '../api/watch.ts';
import { API_PATHS } from '../cloud/api-paths.ts';
import type { Me } from './logic/access.ts';

export interface Watch {
  /** From now on heartbeats of these satellites are told too. */
  follow(ids: readonly string[]): void;
  close(): void;
}

export interface WatchHandlers {
  overview(overview: Overview): void;
  change(line: ChangeLine): void;
  /** What of the satellites has changed. */
  fleet(line: FleetLine): void;
  /** The connection is broken; it is tried again by itself. */
  lost(): void;
  /** It is there again: changes may have been missed. */
  resumed(): void;
  /** The session is over, or allows something else now. */
  ended(): void;
}

const RETRY_MS = 2_000;
/** Pages change what they follow in several steps. */
const SETTLE_MS = 100;

/**
 * The one watch of this page, which shows what `me` may see: a browser gives all its tabs together six connections to a
 * host.
 */
// oxlint-disable-next-line max-lines-per-function -- its functions share the state of one connection
export function openWatch(me: Me, topics: readonly Topic[], handlers: WatchHandlers): Watch {
  let source: EventSource | undefined;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let settle: ReturnType<typeof setTimeout> | undefined;
  let broken = false;
  let closed = false;
  let followed = '';
  /** Up to where changes have been told, and the fleet's version; undefined where that is not known. */
  let seq: number | undefined;
  let version: number | undefined;

  const again = (): void => {
    source?.close();
    broken = true;
    seq = undefined;
    retry ??= setTimeout(() => {
      retry = undefined;
      if (!closed) {
        connect();
      }
    }, RETRY_MS);
  };
  const connect = (): void => {
    const follow = followed === '' ? '' : `&follow=${followed}`;
    const since = seq === undefined ? '' : `&since=${seq}`;
    const opened = new EventSource(`${API_PATHS.watch}?topics=${topics.join(',')}${follow}${since}`);
    source = opened;
    const on = <T>(event: string, take: (data: T) => void): void =>
      source?.addEventListener(event, (e) => take(JSON.parse((e as MessageEvent<string>).data) as T));
    source.addEventListener('open', () => {
      if (broken) {
        handlers.resumed();
      }
      broken = false;
    });
    on<WatchStart>('start', (start) => {
      // The role has changed between two connections, and nothing else would say so. Tried again until both answers are
      // of the same time.
      if (start.user !== me.user || start.role !== me.role) {
        again();
        handlers.ended();
        return;
      }
      seq = start.seq;
      // Something has changed between two connections.
      if (version !== undefined && version !== start.version) {
        handlers.fleet({ version: start.version, items: [], gone: [], beats: [], many: true });
      }
      version = start.version;
    });
    on<Overview>('overview', handlers.overview);
    on<FleetLine>('fleet', (line) => {
      version = line.version;
      handlers.fleet(line);
    });
    on<ChangeLine>('change', (line) => {
      seq = line.seq;
      handlers.change(line);
    });
    on<{ reason: string }>('end', ({ reason }) => {
      again();
      // Asked at once by a question that is no error: the browser's log stays clean.
      if (reason === 'session') {
        handlers.ended();
      }
    });
    source.addEventListener('error', () => {
      broken = true;
      handlers.lost();
      // An answer that was no stream, such as 401, 410 or 503, is final for the browser.
      if (opened.readyState === EventSource.CLOSED && !closed) {
        again();
        handlers.ended();
      }
    });
  };
  connect();
  return {
    follow(ids) {
      const wanted = [...new Set(ids)].sort().slice(0, MOST_FOLLOWED).join(',');
      clearTimeout(settle);
      settle = setTimeout(() => {
        if (wanted === followed || closed) {
          return;
        }
        followed = wanted;
        // One that is being tried again takes it up then.
        if (retry !== undefined || broken) {
          return;
        }
        source?.close();
        connect();
      }, SETTLE_MS);
    },
    close() {
      closed = true;
      clearTimeout(retry);
      clearTimeout(settle);
      source?.close();
    },
  };
}

/** The cloud follows no more for one watch. */
const MOST_FOLLOWED = 100;
