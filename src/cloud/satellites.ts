import { isIP } from 'node:net';
import type { NatsConnection, Subscription } from '@nats-io/transport-node';
import type { SatelliteInfo, SatelliteState as AnyState } from '../api/satellites.ts';
import { DEGRADED_MS, UNREACHABLE_MS, decode, heartbeatSchema, type Heartbeat } from '../bus/frames.ts';
import { listen } from '../bus/listen.ts';
import { nameOf, subjects } from '../bus/subjects.ts';
import { guarded } from '../guarded.ts';
import type { SatelliteRecord, SatelliteStore } from '../store/satellites.ts';
import { createSharedTables } from './fleet/shared-tables.ts';
import { createUnsaved } from './fleet/unsaved.ts';
import { createListeners } from './listeners.ts';

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

/** What is known of those that were heard. */
interface Fleet {
  records: Map<string, SatelliteRecord>;
  /** As they were told last. */
  states: Map<string, SatelliteState>;
  /** Undefined until it is known who belongs to the cluster. */
  present: ReadonlySet<string> | undefined;
  refused: ReadonlySet<string>;
}

/** @param now milliseconds since 1970 */
export function createRegistry(
  store: SatelliteStore,
  log: (line: string) => void,
  now: () => number = Date.now,
): Registry {
  const listeners = createListeners<[id: string, what: HeardChange]>();
  const shared = createSharedTables();
  const records = new Map(store.all().map((r) => [r.id, { ...r, tables: shared(r.tables) }]));
  const states = new Map([...records.values()].map((r) => [r.id, stateOf(r.lastSeen, now())]));
  const fleet: Fleet = { records, states, present: undefined, refused: new Set() };
  const unsaved = createUnsaved(store, records);
  let subscription: Subscription | undefined;

  const judge = (record: SatelliteRecord): boolean => judgeState(states, record, now(), log);
  const forgetGone = (): void => {
    for (const { id } of [...records.values()].filter((record) => isGone(fleet, record))) {
      records.delete(id);
      states.delete(id);
      unsaved.forget(id);
      store.remove(id);
      log(`satellite ${id}: forgotten, it is no longer part of the cluster`);
      listeners.tell(id, 'changed');
    }
  };
  const every = (ms: number, work: () => void): NodeJS.Timeout => setInterval(guarded('satellites', log, work), ms);
  const timers = [
    every(JUDGE_MS, () => {
      for (const record of records.values()) {
        if (judge(record)) {
          listeners.tell(record.id, 'changed');
        }
      }
    }),
    every(TICK_MS, () => {
      forgetGone();
      unsaved.writeBeats(Math.ceil((records.size * TICK_MS) / SAVE_BEATS_MS));
    }),
    every(SAVE_MS, () => unsaved.writeChanged()),
  ];

  const heard = (heartbeat: Heartbeat | undefined): void => {
    if (heartbeat === undefined || fleet.refused.has(heartbeat.id)) {
      return;
    }
    const { id } = heartbeat;
    const at = now();
    const before = records.get(id);
    const same = before !== undefined && sameProcess(before, heartbeat);
    const tables = same ? before.tables : shared(heartbeat.tables);
    const record: SatelliteRecord = { ...heartbeat, tables, firstSeen: before?.firstSeen ?? at, lastSeen: at };
    records.set(id, record);
    const changed = judge(record) || !same || !sameOtherwise(before, heartbeat);
    if (before === undefined) {
      unsaved.write([id]);
    } else if (changed) {
      unsaved.changed(id);
    } else {
      unsaved.beat(id);
    }
    listeners.tell(id, changed ? 'changed' : 'beat');
  };

  return {
    ...readsOf(fleet, now),
    ...membershipOf(fleet, (id) => listeners.tell(id, 'changed')),
    onChange: listeners.add,
    listen(nc) {
      subscription?.unsubscribe();
      subscription = listen(nc, subjects.allHeartbeats, { log }, (msg) =>
        heard(heartbeatOf(msg.subject, msg.string())),
      );
    },
    stop() {
      subscription?.unsubscribe();
      timers.forEach((timer) => clearInterval(timer));
      unsaved.writeAll();
    },
  };
}

/** Brings a satellite's state in line with its silence. @returns whether it is another one */
function judgeState(
  states: Map<string, SatelliteState>,
  { id, lastSeen }: SatelliteRecord,
  now: number,
  log: (line: string) => void,
): boolean {
  const state = stateOf(lastSeen, now);
  const before = states.get(id);
  if (before === state) {
    return false;
  }
  log(`satellite ${id}: ${before ?? 'registered'} → ${state}`);
  states.set(id, state);
  return true;
}

/** Whether it is silent, and neither it nor its node belongs to the cluster any more. */
const isGone = ({ present, states }: Fleet, { id, node }: SatelliteRecord): boolean =>
  present !== undefined && !present.has(node) && !present.has(id) && states.get(id) === 'unreachable';

/** Takes over who belongs to the cluster and who is refused. @param changed told of each whose part in it changes */
function membershipOf(fleet: Fleet, changed: (id: string) => void): Pick<Registry, 'keepOnly' | 'refuse'> {
  return {
    keepOnly(names) {
      const before = fleet.present ?? new Set();
      fleet.present = names;
      [...without(before, names), ...without(names, before)].forEach(changed);
    },
    refuse(revoked) {
      const different = [...without(revoked, fleet.refused), ...without(fleet.refused, revoked)];
      fleet.refused = revoked;
      different.filter((id) => fleet.records.has(id)).forEach(changed);
    },
  };
}

const without = (all: ReadonlySet<string>, others: ReadonlySet<string>): string[] =>
  [...all].filter((id) => !others.has(id));

/** Undefined for what is none, or is not the sender's own. */
function heartbeatOf(subject: string, data: string): Heartbeat | undefined {
  const decoded = decode(heartbeatSchema, data);
  // The server lets a satellite publish on its own subject only, so the subject says who it is.
  if (decoded === undefined || nameOf(subject.split('.')[1] ?? '') !== decoded.id) {
    return undefined;
  }
  return { ...decoded, addresses: decoded.addresses.filter(isAddress) };
}

type Reads = Pick<Registry, 'ids' | 'get' | 'has' | 'last' | 'tables' | 'directPort' | 'expects'>;

function readsOf(fleet: Fleet, now: () => number): Reads {
  const { records, states } = fleet;
  const visible = (id: string): SatelliteRecord | undefined => (fleet.refused.has(id) ? undefined : records.get(id));
  const info = (record: SatelliteRecord): HeardSatellite =>
    // As it was told last, so that nobody sees another one than those who are told of changes.
    infoOf(record, states.get(record.id) ?? stateOf(record.lastSeen, now()));
  return {
    *ids() {
      for (const id of records.keys()) {
        if (!fleet.refused.has(id)) {
          yield id;
        }
      }
    },
    get(id) {
      const record = visible(id);
      return record === undefined ? undefined : info(record);
    },
    has(wanted) {
      for (const id of records.keys()) {
        if (!fleet.refused.has(id) && wanted(id)) {
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
      const record = visible(id);
      return record === undefined ? undefined : [record.tables];
    },
    directPort: (id) => visible(id)?.directPort,
    expects: (id) => fleet.present?.has(id) ?? true,
  };
}

const infoOf = (r: SatelliteRecord, state: SatelliteState): HeardSatellite => ({
  id: r.id,
  node: r.node,
  state,
  version: r.version,
  addresses: r.addresses,
  tables: r.tables,
  load: r.load,
  startedAt: r.startedAt,
  firstSeen: new Date(r.firstSeen).toISOString(),
  lastSeen: new Date(r.lastSeen).toISOString(),
  ...(r.certificateEnds === undefined ? {} : { certificateEnds: new Date(r.certificateEnds).toISOString() }),
});
