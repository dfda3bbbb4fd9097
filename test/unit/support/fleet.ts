import { mock } from 'node:test';
import type { NatsConnection } from '@nats-io/transport-node';
import type { Test } from 'tap';
import { encode, type Heartbeat } from '../../../src/bus/frames.ts';
import { subjects } from '../../../src/bus/subjects.ts';
import { createSatelliteRows } from '../../../src/cloud/satellites-rows.ts';
import { createSatelliteView, type SatelliteView } from '../../../src/cloud/satellites-view.ts';
import { createRegistry, type Registry } from '../../../src/cloud/satellites.ts';
import { createState, type State } from '../../../src/cloud/state/state.ts';
import type { SatelliteRow } from '../../../src/store/rows.ts';
import type { SatelliteRecord, SatelliteStore } from '../../../src/store/satellites.ts';

/** The clock begins here, and satellites have started here if a heartbeat does not say another time. */
export const STARTED = '2026-11-21T12:00:00.000Z';

/** The fleet of one cloud instance, with a clock and heartbeats that the test decides. */
export interface Fleet {
  state: State;
  registry: Registry;
  view: SatelliteView;
  /** The records that the registry writes. */
  written: Map<string, SatelliteRecord>;
  now: number;
  beat(beat: Partial<Heartbeat> & { id: string }): void;
  /** Time goes by, and what happens in intervals happens. */
  pass(ms: number): void;
  propose(kind: string, args: object): Promise<unknown>;
  rows(): SatelliteRow[];
}

/** An empty fleet; it ends with the test. */
export async function openFleet(test: Test): Promise<Fleet> {
  const state = createState({
    self: 'n1',
    dir: test.testdir(),
    space: () => ({ free: 1e12, total: 1e12 }),
    log: () => undefined,
    cluster: () => {
      throw new Error('alone');
    },
  });
  state.follow({ servers: [{ name: 'n1', address: '127.0.0.1' }], satellites: [], jetstream: false }, undefined);
  while (state.current() === undefined) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const written = new Map<string, SatelliteRecord>();
  const store: SatelliteStore = {
    all: () => [...written.values()],
    put: (records) => records.forEach((r) => written.set(r.id, r)),
    remove: (id) => void written.delete(id),
  };
  let hear: ((error: null, msg: { subject: string; string(): string }) => void) | undefined;
  mock.timers.enable({ apis: ['setInterval'] });
  const fleet: Fleet = {
    state,
    written,
    now: Date.parse(STARTED),
    registry: createRegistry(
      store,
      () => undefined,
      () => fleet.now,
    ),
    get view() {
      return view;
    },
    beat({ id, ...more }) {
      const heartbeat: Heartbeat = {
        id,
        node: id,
        version: '1',
        addresses: ['10.0.0.1'],
        tables: [{ name: 'processes', columns: ['pid'] }],
        load: [0, 0, 0],
        startedAt: STARTED,
        ...more,
      };
      hear?.(null, { subject: subjects.heartbeat(id), string: () => encode(heartbeat) });
    },
    pass(ms) {
      for (let past = 0; past < ms; past += 250) {
        fleet.now += 250;
        mock.timers.tick(250);
      }
    },
    propose: (kind, args) => state.replica().propose({ kind, actor: 'test', args }),
    rows: () => state.replica().db.prepare<[], SatelliteRow>('SELECT * FROM satellites').all(),
  };
  fleet.registry.listen({
    subscribe: (_: string, options: { callback: typeof hear }) => {
      hear = options.callback;
      return { unsubscribe: () => undefined };
    },
  } as unknown as NatsConnection);
  const rows = createSatelliteRows(state);
  const view = createSatelliteView(fleet.registry, rows, state);
  test.teardown(async () => {
    view.stop();
    rows.stop();
    fleet.registry.stop();
    mock.timers.reset();
    await state.stop();
  });
  return fleet;
}
