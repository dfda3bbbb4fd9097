import type { ChangeLine, Overview, Topic } from '../cloud/api.ts';
import { API_PATHS } from '../cloud/api-paths.ts';

export interface Watch {
  close(): void;
}

export interface WatchHandlers {
  overview(overview: Overview): void;
  change(line: ChangeLine): void;
  /** The connection is broken; it is tried again by itself. */
  lost(): void;
  /** It is there again: changes may have been missed. */
  resumed(): void;
  /** The session is over, or allows something else now. */
  ended(): void;
}

const RETRY_MS = 2_000;

/** The one watch of this page: a browser gives all its tabs together six connections to a host. */
export function openWatch(topics: readonly Topic[], handlers: WatchHandlers): Watch {
  let source: EventSource | undefined;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let broken = false;
  let closed = false;

  const again = (): void => {
    source?.close();
    broken = true;
    retry ??= setTimeout(() => {
      retry = undefined;
      if (!closed) connect();
    }, RETRY_MS);
  };
  const connect = (): void => {
    const opened = new EventSource(`${API_PATHS.watch}?topics=${topics.join(',')}`);
    source = opened;
    source.addEventListener('open', () => {
      if (broken) handlers.resumed();
      broken = false;
    });
    source.addEventListener('overview', (event) => handlers.overview(JSON.parse((event as MessageEvent<string>).data) as Overview));
    source.addEventListener('change', (event) => handlers.change(JSON.parse((event as MessageEvent<string>).data) as ChangeLine));
    source.addEventListener('end', (event) => {
      const { reason } = JSON.parse((event as MessageEvent<string>).data) as { reason: string };
      again();
      // Asked at once by a question that is no error: the browser's log stays clean.
      if (reason === 'session') handlers.ended();
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
    close() {
      closed = true;
      clearTimeout(retry);
      source?.close();
    },
  };
}
