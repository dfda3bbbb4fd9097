import { setTimeout as sleep } from 'node:timers/promises';
import type { ChangeLine, Overview } from '../cloud/api.ts';
import { API_PATHS } from '../cloud/api-paths.ts';
import type { CloudClient } from '../context/client.ts';
import { Failure } from '../errors.ts';
import { readAll, type Kind } from './resources.ts';

/** Between two connections of a watch. */
const AGAIN_MS = 1_000;

export interface Seen {
  change: 'created' | 'changed' | 'deleted';
  key: string;
  item: unknown;
}

/**
 * What changes of a kind from a position on, without end: over another control plane when one goes, from where it was left.
 * @param shown the items that are known, by key
 */
export async function* watchKind(client: CloudClient, kind: Kind, since: number, shown: Map<string, unknown>, signal: AbortSignal): AsyncGenerator<Seen, void, undefined> {
  const known = new Map([...shown].map(([key, item]) => [key, JSON.stringify(item)]));
  let from = since;
  for (;;) {
    const path = kind.state === undefined ? `${API_PATHS.watch}?topics=overview` : `${API_PATHS.watch}?topics=${kind.state.topic}&since=${from}`;
    try {
      for await (const { event, data } of client.events(path, signal)) {
        if (event === 'change') {
          const { seq, change, key, item } = JSON.parse(data) as ChangeLine;
          from = seq;
          if (change === 'deleted') known.delete(key);
          else known.set(key, JSON.stringify(item));
          yield { change: item === null && change !== 'deleted' ? 'deleted' : change, key, item };
        } else if (event === 'overview') {
          yield* compare(kind, kind.overview?.(JSON.parse(data) as Overview) ?? [], known);
        } else if (event === 'end' && data.includes('session')) {
          throw new Failure('unauthorized', 'The cloud ended the watch: the token, or its rights, have ended.');
        }
      }
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (!(error instanceof Failure) || error.code !== 'compacted') throw error;
      // What happened in between is not known any more: what is there now is.
      const { items, seq } = await readAll(client, kind, Number.POSITIVE_INFINITY, signal);
      yield* compare(kind, items, known);
      from = seq;
    }
    await sleep(AGAIN_MS, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) throw signal.reason;
  }
}

function* compare(kind: Kind, items: unknown[], known: Map<string, string>): Generator<Seen> {
  const now = new Set(items.map((i) => kind.key(i)));
  for (const item of items) {
    const key = kind.key(item);
    const text = JSON.stringify(item);
    const before = known.get(key);
    if (before === text) continue;
    known.set(key, text);
    yield { change: before === undefined ? 'created' : 'changed', key, item };
  }
  for (const key of known.keys()) {
    if (now.has(key)) continue;
    known.delete(key);
    yield { change: 'deleted', key, item: null };
  }
}
