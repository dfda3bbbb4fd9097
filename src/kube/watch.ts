import type { IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { KubeError, type KubeClient } from './client.ts';
import type { KubeObject } from './types.ts';

export interface WatchHandlers<T> {
  /** All objects, at the start and whenever the watch had to begin anew. */
  replace(items: T[]): void;
  changed(item: T): void;
  removed(item: T): void;
  /** Told on each change: reached (undefined), or why not. */
  reachable(error: Error | undefined): void;
}

/**
 * Seconds that one watch lasts. Short, since the connection ends at a balancer on our own machine: an API server that
 * vanishes without a word behind it is noticed only by the end that does not come.
 */
const WATCH_SECONDS = 10;
const GRACE_MS = 3_000;
const BACKOFF_MS = { first: 500, last: 5_000 } as const;

/**
 * Lists, then watches a collection until the signal is aborted; resumes with bookmarks, begins anew where the API says
 * 410. Never rejects.
 */
export async function watchCollection<T extends KubeObject>(
  client: KubeClient,
  path: string,
  handlers: WatchHandlers<T>,
  signal: AbortSignal,
): Promise<void> {
  let version: string | undefined;
  let backoff: number = BACKOFF_MS.first;
  while (!signal.aborted) {
    try {
      if (version === undefined) {
        const list = await client.list<T>(path);
        version = list.metadata.resourceVersion;
        handlers.replace(list.items);
      }
      handlers.reachable(undefined);
      version = await watchOnce(client, path, version, handlers, signal);
      backoff = BACKOFF_MS.first;
    } catch (error) {
      if (signal.aborted) {
        return;
      }
      if (error instanceof KubeError && error.status === 410) {
        version = undefined;
        continue;
      }
      handlers.reachable(error as Error);
      await sleep(backoff, undefined, { signal }).catch(() => undefined);
      backoff = Math.min(backoff * 2, BACKOFF_MS.last);
    }
  }
}

async function watchOnce<T extends KubeObject>(
  client: KubeClient,
  path: string,
  from: string,
  handlers: WatchHandlers<T>,
  signal: AbortSignal,
): Promise<string> {
  let version = from;
  const query = [
    'watch=true',
    'allowWatchBookmarks=true',
    `timeoutSeconds=${WATCH_SECONDS}`,
    `resourceVersion=${encodeURIComponent(version)}`,
  ].join('&');
  const response = await client.open(`${path}${path.includes('?') ? '&' : '?'}${query}`, {
    signal,
    timeoutMs: WATCH_SECONDS * 1000 + GRACE_MS,
  });
  try {
    for await (const line of lines(response)) {
      const event = JSON.parse(line) as {
        type: string;
        object: T & { code?: number; reason?: string; message?: string };
      };
      if (event.type === 'ERROR') {
        throw new KubeError(
          event.object.code ?? 0,
          event.object.reason ?? 'Unknown',
          event.object.message ?? 'the watch failed',
        );
      }
      version = event.object.metadata.resourceVersion ?? version;
      if (event.type === 'ADDED' || event.type === 'MODIFIED') {
        handlers.changed(event.object);
      } else if (event.type === 'DELETED') {
        handlers.removed(event.object);
      }
    }
    return version;
  } catch (error) {
    if (error instanceof KubeError) {
      throw error;
    }
    throw new KubeError(
      0,
      'Unreachable',
      `the watch of the Kubernetes API broke off: ${(error as Error).message}`,
      error,
    );
  } finally {
    response.destroy();
  }
}

/** The non-empty lines of a response; throws where it breaks off. */
async function* lines(response: IncomingMessage): AsyncGenerator<string> {
  let rest = '';
  response.setEncoding('utf8');
  for await (const chunk of response) {
    const parts = (rest + (chunk as string)).split('\n');
    rest = parts.pop() ?? '';
    for (const part of parts) {
      if (part !== '') {
        yield part;
      }
    }
  }
}
