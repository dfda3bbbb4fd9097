import { isIP } from 'node:net';
import type { NatsConnection, Subscription } from '@nats-io/transport-node';
import type { SatelliteInfo, SatelliteState as AnyState } from '../api/satellites.ts';
import { DEGRADED_MS, UNREACHABLE_MS, decode, heartbeatSchema, type Heartbeat } from '../bus/frames.ts';
import { listen } from '../bus/listen.ts';
import { nameOf, subjects } from '../bus/subjects.ts';
import { guarded } from '../guarded.ts';
import type { SatelliteRecord, SatelliteStore } from '../store/satellites.ts';

/**
 * Between looks for satellites that have fallen silent, for those that are gone, and between writes of what was heard.
 */
const JUDGE_MS = 250;
const TICK_MS = 1_000;
const SAVE_MS = 10_000;
/**
 * When something was heard last is needed only after a start: it is written about so often, a part of the satellites
 * with each tick.
 */
const SAVE_BEATS_MS = 60_000;
/**
 * Lists of tables that are kept for all who have the same: more than releases that run at once, and bounded whatever
 * satellites say.
 */
const MAX_SHARED = 64;

/** As its heartbeats tell; what else is known of it is in the state. */
export type HeardSatellite = Omit<SatelliteInfo, 'name' | 'tags' | 'access' | 'revision' | 'reason' | 'state'> & {
  state: SatelliteState;
};
type SatelliteState = Exclude<AnyState, 'enrolled' | 'revoked'>;

/** `beat`: nothing of it has changed but when it was heard, and its load. */
export type HeardChange = 'beat' | 'changed';

/** The satellites that have ever been heard: the first heartbeat registers one. Every instance hears all. */
export interface Registry {
  /** Of those that are not refused. */
  ids(): Iterable<string>;
  get(id: string): HeardSatellite | undefined;
  /**
   * Whether there is one whose id is so; nothing of it is put together, since the DNS server asks for each name that it
   * does not know.
   */
  has(wanted: (id: string) => boolean): boolean;
  /** As `get`, of a refused one too. */
  last(id: string): HeardSatellite | undefined;
  /**
   * The same array for all that have the same. Each is one array in a list, so that `flatMap` does not take it apart.
   */
  tables(id: string): [SatelliteRecord['tables']] | undefined;
  /** Port of its own HTTPS endpoint, by its last heartbeat. */
  directPort(id: string): number | undefined;
  /** Calls back with each heartbeat, and whenever one changes, comes or goes. @returns how to end it */
  onChange(listener: (id: string, what: HeardChange) => void): () => void;
  /** Whether it is one of those that `keepOnly` has named; all are before that. */
  expects(id: string): boolean;
  /** From now on forgets satellites of other names than these, of nodes or their own, once they are silent. */
  keepOnly(names: Set<string>): void;
  /** From now on these are neither heard nor shown. */
  refuse(revoked: Set<string>): void;
  listen(nc: NatsConnection): void;
  stop(): void;
}

export function stateOf(lastSeen: number, now: number): SatelliteState {
  const silence = now - lastSeen;
  if (silence < DEGRADED_MS) {
    return 'healthy';
  }
  return silence < UNREACHABLE_MS ? 'degraded' : 'unreachable';
}

/** A process that runs has the tables that it started with. */
const sameProcess = (a: SatelliteRecord, b: Heartbeat): boolean =>
  a.startedAt === b.startedAt && a.version === b.version && a.tables.length === b.tables.length;
const sameOtherwise = (a: SatelliteRecord, b: Heartbeat): boolean =>
  a.node === b.node && a.directPort === b.directPort && a.addresses.join() === b.addresses.join();

/**
 * They become answers of the DNS server and lines of hosts files; with a zone it would be an address on that machine
 * only.
 */
const isAddress = (text: string): boolean => isIP(text) !== 0 && !text.includes('%');

export function createRegistry(
  store: SatelliteStore,
  log: (line: string) => void,
  now: () => number = Date.now,
): Registry {
  const listeners = new Set<(id: string, what: HeardChange) => void>();
  /** Thousands of satellites of one release have the same tables: they are kept once. */
  const tables = new Map<string, SatelliteRecord['tables']>();
  const shared = (own: SatelliteRecord['tables']): SatelliteRecord['tables'] => {
    const text = JSON.stringify(own);
    const kept = tables.get(text) ?? own;
    // In the order in which they were told last: of too many the first goes.
    tables.delete(text);
    tables.set(text, kept);
    const [first] = tables.keys();
    if (tables.size > MAX_SHARED && first !== undefined) {
      tables.delete(first);
    }
    return kept;
  };
  const records = new Map<string, SatelliteRecord>(store.all().map((r) => [r.id, { ...r, tables: shared(r.tables) }]));
  const states = new Map<string, SatelliteState>([...records.values()].map((r) => [r.id, stateOf(r.lastSeen, now())]));
  const unsaved = new Set<string>();
  /** Those of whom only the last heartbeat is to be written; the longest unwritten first. */
  const beaten = new Set<string>();
  let subscription: Subscription | undefined;
  let present: Set<string> | undefined;
  let refused: ReadonlySet<string> = new Set();

  const tell = (id: string, what: HeardChange): void => {
    for (const listener of listeners) {
      listener(id, what);
    }
  };
  const write = (ids: string[]): void => {
    const found = ids.map((id) => records.get(id)).filter((r) => r !== undefined);
    for (const id of ids) {
      unsaved.delete(id);
      beaten.delete(id);
    }
    if (found.length > 0) {
      store.put(found);
    }
  };
  const saveBeats = (): void => {
    write([...beaten].slice(0, Math.ceil((records.size * TICK_MS) / SAVE_BEATS_MS)));
  };
  /** @returns whether its state is another one. */
  const judge = ({ id, lastSeen }: SatelliteRecord): boolean => {
    const state = stateOf(lastSeen, now());
    const before = states.get(id);
    if (before === state) {
      return false;
    }
    log(`satellite ${id}: ${before ?? 'registered'} → ${state}`);
    states.set(id, state);
    return true;
  };
  const forgetGone = (): void => {
    for (const { id, node } of records.values()) {
      if (present === undefined || present.has(node) || present.has(id) || states.get(id) !== 'unreachable') {
        continue;
      }
      records.delete(id);
      states.delete(id);
      unsaved.delete(id);
      beaten.delete(id);
      store.remove(id);
      log(`satellite ${id}: forgotten, it is no longer part of the cluster`);
      tell(id, 'changed');
    }
  };
  const every = (ms: number, work: () => void): NodeJS.Timeout => setInterval(guarded('satellites', log, work), ms);
  const timers = [
    every(JUDGE_MS, () => {
      for (const record of records.values()) {
        if (judge(record)) {
          tell(record.id, 'changed');
        }
      }
    }),
    every(TICK_MS, () => {
      forgetGone();
      saveBeats();
    }),
    every(SAVE_MS, () => write([...unsaved])),
  ];

  const heard = (subject: string, data: string): void => {
    const decoded = decode(heartbeatSchema, data);
    // The server lets a satellite publish on its own subject only, so the subject says who it is.
    if (decoded === undefined || nameOf(subject.split('.')[1] ?? '') !== decoded.id || refused.has(decoded.id)) {
      return;
    }
    const { id } = decoded;
    const heartbeat = { ...decoded, addresses: decoded.addresses.filter(isAddress) };
    const at = now();
    const before = records.get(id);
    const same = before !== undefined && sameProcess(before, heartbeat);
    const record: SatelliteRecord = {
      ...heartbeat,
      tables: same ? before.tables : shared(heartbeat.tables),
      firstSeen: before?.firstSeen ?? at,
      lastSeen: at,
    };
    records.set(id, record);
    const changed = judge(record) || !same || !sameOtherwise(before, heartbeat);
    if (before === undefined) {
      write([id]);
    } else if (changed) {
      unsaved.add(id);
    } else {
      beaten.add(id);
    }
    tell(id, changed ? 'changed' : 'beat');
  };

  const info = (r: SatelliteRecord): HeardSatellite => ({
    id: r.id,
    node: r.node,
    // As it was told last, so that nobody sees another one than those who are told of changes.
    state: states.get(r.id) ?? stateOf(r.lastSeen, now()),
    version: r.version,
    addresses: r.addresses,
    tables: r.tables,
    load: r.load,
    startedAt: r.startedAt,
    firstSeen: new Date(r.firstSeen).toISOString(),
    lastSeen: new Date(r.lastSeen).toISOString(),
    ...(r.certificateEnds === undefined ? {} : { certificateEnds: new Date(r.certificateEnds).toISOString() }),
  });

  return {
    *ids() {
      for (const id of records.keys()) {
        if (!refused.has(id)) {
          yield id;
        }
      }
    },
    get(id) {
      const record = records.get(id);
      return record === undefined || refused.has(id) ? undefined : info(record);
    },
    has(wanted) {
      for (const id of records.keys()) {
        if (!refused.has(id) && wanted(id)) {
          return true;
        }
      }
      return false;
    },
    last(id) {
      const record = records.get(id);
      return record === undefined ? undefined : info(record);
    },
    tables(id) {
      const record = records.get(id);
      return record === undefined || refused.has(id) ? undefined : [record.tables];
    },
    directPort: (id) => (refused.has(id) ? undefined : records.get(id)?.directPort),
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    expects: (id) => present?.has(id) ?? true,
    keepOnly(names) {
      const before = present ?? new Set<string>();
      present = names;
      for (const id of before) {
        if (!names.has(id)) {
          tell(id, 'changed');
        }
      }
      for (const id of names) {
        if (!before.has(id)) {
          tell(id, 'changed');
        }
      }
    },
    refuse(revoked) {
      const changed = [...revoked]
        .filter((id) => !refused.has(id))
        .concat([...refused].filter((id) => !revoked.has(id)));
      refused = revoked;
      for (const id of changed) {
        if (records.has(id)) {
          tell(id, 'changed');
        }
      }
    },
    listen(nc) {
      subscription?.unsubscribe();
      subscription = listen(nc, subjects.allHeartbeats, { log }, (msg) => heard(msg.subject, msg.string()));
    },
    stop() {
      subscription?.unsubscribe();
      for (const timer of timers) {
        clearInterval(timer);
      }
      write([...unsaved, ...beaten]);
    },
  };
}
