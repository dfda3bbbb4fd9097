import type { NatsConnection, Subscription } from '@nats-io/transport-node';
import { DEGRADED_MS, UNREACHABLE_MS, decode, heartbeatSchema } from '../bus/frames.ts';
import { nameOf, subjects } from '../bus/subjects.ts';
import type { SatelliteRecord, SatelliteStore } from '../store/satellites.ts';
import type { SatelliteInfo, SatelliteState as AnyState } from './api.ts';
import type { Changes } from './changes.ts';

/** Between looks for satellites that have fallen silent, and between writes of what was heard. */
const TICK_MS = 1_000;
const SAVE_MS = 10_000;

/** As its heartbeats tell; what else is known of it is in the state. */
export type HeardSatellite = Omit<SatelliteInfo, 'name' | 'tags' | 'access' | 'revision' | 'reason' | 'state'> & { state: SatelliteState };
type SatelliteState = Exclude<AnyState, 'enrolled' | 'revoked'>;

/** The satellites that have ever been heard: the first heartbeat registers one. Every instance hears all. */
export interface Registry {
  all(): HeardSatellite[];
  get(id: string): HeardSatellite | undefined;
  /** Whether there is one whose id is so; nothing of it is put together, since the DNS server asks for each name that it does not know. */
  has(wanted: (id: string) => boolean): boolean;
  /** As `get`, of a refused one too. */
  last(id: string): HeardSatellite | undefined;
  /** Port of its own HTTPS endpoint, by its last heartbeat. */
  directPort(id: string): number | undefined;
  /** From now on forgets satellites of other names than these, of nodes or their own, once they are silent. */
  keepOnly(names: Set<string>): void;
  /** From now on these are neither heard nor shown. */
  refuse(revoked: Set<string>): void;
  listen(nc: NatsConnection): void;
  stop(): void;
}

export function stateOf(lastSeen: number, now: number): SatelliteState {
  const silence = now - lastSeen;
  return silence < DEGRADED_MS ? 'healthy' : silence < UNREACHABLE_MS ? 'degraded' : 'unreachable';
}

export function createRegistry(store: SatelliteStore, changes: Changes, log: (line: string) => void, now: () => number = Date.now): Registry {
  const records = new Map<string, SatelliteRecord>(store.all().map((r) => [r.id, r]));
  const states = new Map<string, SatelliteState>([...records.values()].map((r) => [r.id, stateOf(r.lastSeen, now())]));
  const unsaved = new Set<string>();
  let subscription: Subscription | undefined;
  let present: Set<string> | undefined;
  let refused: ReadonlySet<string> = new Set();

  const save = (): void => {
    const changed = [...unsaved].map((id) => records.get(id)).filter((r) => r !== undefined);
    unsaved.clear();
    if (changed.length > 0) store.put(changed);
  };
  const judge = (id: string): void => {
    const record = records.get(id);
    if (record === undefined) return;
    const state = stateOf(record.lastSeen, now());
    if (states.get(id) === state) return;
    log(`satellite ${id}: ${states.get(id) ?? 'registered'} → ${state}`);
    states.set(id, state);
    changes.notify();
  };
  const forgetGone = (): void => {
    for (const { id, node } of records.values()) {
      if (present === undefined || present.has(node) || present.has(id) || states.get(id) !== 'unreachable') continue;
      records.delete(id);
      states.delete(id);
      unsaved.delete(id);
      store.remove(id);
      log(`satellite ${id}: forgotten, it is no longer part of the cluster`);
      changes.notify();
    }
  };
  const timers = [
    setInterval(() => {
      for (const id of records.keys()) judge(id);
      forgetGone();
    }, TICK_MS),
    setInterval(save, SAVE_MS),
  ];

  const heard = (subject: string, data: string): void => {
    const heartbeat = decode(heartbeatSchema, data);
    // The server lets a satellite publish on its own subject only, so the subject says who it is.
    if (heartbeat === undefined || nameOf(subject.split('.')[1] ?? '') !== heartbeat.id || refused.has(heartbeat.id)) return;
    const at = now();
    const isNew = !records.has(heartbeat.id);
    records.set(heartbeat.id, { ...heartbeat, firstSeen: records.get(heartbeat.id)?.firstSeen ?? at, lastSeen: at });
    unsaved.add(heartbeat.id);
    if (isNew) save();
    judge(heartbeat.id);
    changes.notify();
  };

  const info = (r: SatelliteRecord): HeardSatellite => ({
    id: r.id,
    node: r.node,
    state: stateOf(r.lastSeen, now()),
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
    all: () => [...records.values()].filter((r) => !refused.has(r.id)).map(info).sort((a, b) => a.id.localeCompare(b.id)),
    get(id) {
      const record = records.get(id);
      return record === undefined || refused.has(id) ? undefined : info(record);
    },
    has(wanted) {
      for (const id of records.keys()) if (!refused.has(id) && wanted(id)) return true;
      return false;
    },
    last(id) {
      const record = records.get(id);
      return record === undefined ? undefined : info(record);
    },
    directPort: (id) => (refused.has(id) ? undefined : records.get(id)?.directPort),
    keepOnly(names) {
      present = names;
    },
    refuse(revoked) {
      refused = revoked;
      changes.notify();
    },
    listen(nc) {
      subscription?.unsubscribe();
      subscription = nc.subscribe(subjects.allHeartbeats, { callback: (error, msg) => (error === null ? heard(msg.subject, msg.string()) : undefined) });
    },
    stop() {
      subscription?.unsubscribe();
      for (const timer of timers) clearInterval(timer);
      save();
    },
  };
}
