import { setTimeout as sleep } from 'node:timers/promises';
import type { Overview } from '../api/overview.ts';
import type { SatelliteInfo } from '../api/satellites.ts';
import type { ChangeLine, FleetLine } from '../api/watch.ts';
import { API_PATHS } from '../cloud/api-paths.ts';
import type { CloudClient, ServerEvent } from '../context/client.ts';
import { Failure } from '../errors.ts';
import { readAll, type Kind } from './resources.ts';

/** Between two connections of a watch. */
const AGAIN_MS = 1_000;

export interface Seen {
  change: 'created' | 'changed' | 'deleted';
  key: string;
  item: unknown;
}

/** How far a watch has come. */
interface Progress {
  /** By which it is seen that an item has changed, by key. */
  known: Map<string, string>;
  /** Position of the last change that was told. */
  from: number;
}

/**
 * What changes of a kind from a position on, without end: over another control plane when one goes, from where it was
 * left.
 * @param shown the items that are known, by key
 */
export async function* watchKind(
  client: CloudClient,
  kind: Kind,
  since: number,
  shown: Map<string, unknown>,
  signal: AbortSignal,
): AsyncGenerator<Seen, void, undefined> {
  const progress: Progress = {
    known: new Map([...shown].map(([key, item]) => [key, textOf(kind, item)])),
    from: since,
  };
  for (;;) {
    const path = `${API_PATHS.watch}?${topicOf(kind, progress.from)}`;
    try {
      for await (const event of client.events(path, signal)) {
        yield* changesOf(client, kind, event, progress, signal);
      }
    } catch (error) {
      if (signal.aborted) {
        throw signal.reason;
      }
      if (!(error instanceof Failure) || error.code !== 'compacted') {
        throw error;
      }
      // What happened in between is not known any more: what is there now is.
      const { items, seq } = await readAll(client, kind, Number.POSITIVE_INFINITY, signal);
      yield* compare(kind, items, progress.known);
      progress.from = seq;
    }
    await sleep(AGAIN_MS, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) {
      throw signal.reason;
    }
  }
}

/** The parameters of the watch that tells of a kind. */
function topicOf(kind: Kind, from: number): string {
  if (kind.fleet === true) {
    return 'topics=fleet';
  }
  return kind.topic === undefined ? 'topics=overview' : `topics=${kind.topic}&since=${from}`;
}

/** What one event of the watch tells; `progress` goes on with it. */
async function* changesOf(
  client: CloudClient,
  kind: Kind,
  { event, data }: ServerEvent,
  progress: Progress,
  signal: AbortSignal,
): AsyncGenerator<Seen, void, undefined> {
  const { known } = progress;
  if (event === 'change') {
    const { seq, change, key, item } = JSON.parse(data) as ChangeLine;
    progress.from = seq;
    if (change === 'deleted') {
      known.delete(key);
    } else {
      known.set(key, textOf(kind, item));
    }
    yield { change: item === null && change !== 'deleted' ? 'deleted' : change, key, item };
  } else if (
    kind.fleet === true &&
    (event === 'start' || (event === 'fleet' && (JSON.parse(data) as FleetLine).many))
  ) {
    // Something may have changed before this watch began, or more than it tells one by one.
    const { items } = await readAll(client, kind, Number.POSITIVE_INFINITY, signal, { tables: 'none' });
    yield* compare(kind, items.map(withoutTables), known);
  } else if (event === 'fleet') {
    const { items, gone } = JSON.parse(data) as FleetLine;
    yield* told(kind, items.map(withoutTables), known);
    for (const key of gone) {
      if (known.delete(key)) {
        yield { change: 'deleted', key, item: null };
      }
    }
  } else if (event === 'overview') {
    yield* compare(kind, kind.overview?.(JSON.parse(data) as Overview) ?? [], known);
  } else if (event === 'end' && data.includes('session')) {
    throw new Failure('unauthorized', 'The cloud ended the watch: the token, or its rights, have ended.');
  }
}

/** By which it is seen that one has changed: a satellite does not by being heard. */
function textOf(kind: Kind, item: unknown): string {
  if (kind.fleet !== true) {
    return JSON.stringify(item);
  }
  const { load: _, lastSeen: __, tables: ___, ...rest } = item as SatelliteInfo;
  return JSON.stringify(rest);
}

/** A watch does not tell them. */
const withoutTables = (item: unknown): unknown => {
  const { tables: _, ...rest } = item as SatelliteInfo;
  return rest;
};

function* told(kind: Kind, items: unknown[], known: Map<string, string>): Generator<Seen> {
  for (const item of items) {
    const key = kind.key(item);
    const text = textOf(kind, item);
    const before = known.get(key);
    if (before === text) {
      continue;
    }
    known.set(key, text);
    yield { change: before === undefined ? 'created' : 'changed', key, item };
  }
}

function* compare(kind: Kind, items: unknown[], known: Map<string, string>): Generator<Seen> {
  const now = new Set(items.map((i) => kind.key(i)));
  yield* told(kind, items, known);
  for (const key of known.keys()) {
    if (now.has(key)) {
      continue;
    }
    known.delete(key);
    yield { change: 'deleted', key, item: null };
  }
}
