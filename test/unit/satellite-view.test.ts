import { mock } from 'node:test';
import type { NatsConnection } from '@nats-io/transport-node';
import t, { type Test } from 'tap';
import type { SatelliteInfo } from '../../src/api/satellites.ts';
import { satelliteListQuery } from '../../src/api/satellites.ts';
import type { FleetLine } from '../../src/api/watch.ts';
import { encode, type Heartbeat } from '../../src/bus/frames.ts';
import { subjects } from '../../src/bus/subjects.ts';
import { STATE_RANK } from '../../src/cloud/satellites-match.ts';
import { createSatelliteRows } from '../../src/cloud/satellites-rows.ts';
import { createSatelliteView, MOST_CONCERNS, type SatelliteView } from '../../src/cloud/satellites-view.ts';
import { MOST_ITEMS, gatherChanges } from '../../src/cloud/satellites-watch.ts';
import { createRegistry, stateOf, type Registry } from '../../src/cloud/satellites.ts';
import { createState, type State } from '../../src/cloud/state/state.ts';
import type { SatelliteRow } from '../../src/store/rows.ts';
import type { SatelliteRecord, SatelliteStore } from '../../src/store/satellites.ts';
import { seeded } from '../support/seeded.ts';

/**
 * The fleet as it is kept up with what changes, against all of it put together anew from the heartbeats and from the
 * state's rows.
 */
const SEED = Number(process.env['TERRARIUM_SEED'] ?? 20261121);
const STEPS = 250;
const IDS = Array.from({ length: 14 }, (_, n) => `s${n}`);
const NODES = ['s0', 's1', 's2', 'absent'];
const started = '2026-11-21T12:00:00.000Z';

interface World {
  state: State;
  registry: Registry;
  view: SatelliteView;
  /** What the registry writes down. */
  written: Map<string, SatelliteRecord>;
  now: number;
  beat(beat: Partial<Heartbeat> & { id: string }): void;
  /** Time goes by, and what happens in intervals happens. */
  pass(ms: number): void;
  propose(kind: string, args: object): Promise<unknown>;
  rows(): SatelliteRow[];
}

async function world(test: Test): Promise<World> {
  const state = createState({
    self: 'n1',
    dir: test.testdir(),
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
  const w: World = {
    state,
    written,
    now: Date.parse(started),
    registry: createRegistry(
      store,
      () => undefined,
      () => w.now,
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
        startedAt: started,
        ...more,
      };
      hear?.(null, { subject: subjects.heartbeat(id), string: () => encode(heartbeat) });
    },
    pass(ms) {
      for (let past = 0; past < ms; past += 250) {
        w.now += 250;
        mock.timers.tick(250);
      }
    },
    propose: (kind, args) => state.replica().propose({ kind, actor: 'test', args }),
    rows: () => state.replica().db.prepare<[], SatelliteRow>('SELECT * FROM satellites').all(),
  };
  w.registry.listen({
    subscribe: (_: string, options: { callback: typeof hear }) => {
      hear = options.callback;
      return { unsubscribe: () => undefined };
    },
  } as unknown as NatsConnection);
  const rows = createSatelliteRows(state);
  const view = createSatelliteView(w.registry, rows, state);
  test.teardown(async () => {
    view.stop();
    rows.stop();
    w.registry.stop();
    mock.timers.reset();
    await state.stop();
  });
  return w;
}

/** When certificates end here. */
const ENDS = 1e15;

/** What has been heard of one, by the test's own book. */
type Book = Map<string, Heartbeat & { firstSeen: number; lastSeen: number }>;

function expected(w: World, book: Book, refused: ReadonlySet<string>): SatelliteInfo[] {
  const rows = new Map(w.rows().map((r) => [r.id, r]));
  const iso = (ms: number): string => new Date(ms).toISOString();
  return [...new Set([...book.keys(), ...rows.keys()])]
    .flatMap((id): SatelliteInfo[] => {
      const [beat, row] = [book.get(id), rows.get(id)];
      const heard = beat !== undefined && !refused.has(id);
      const elsewhere = row !== undefined && 'authority' in (JSON.parse(row.details) as object);
      if (!heard && row === undefined) {
        return [];
      }
      const at = iso(row?.enrolled_at ?? 0);
      const state: SatelliteInfo['state'] =
        !heard && row?.state === 'revoked'
          ? 'revoked'
          : beat === undefined
            ? 'enrolled'
            : stateOf(beat.lastSeen, w.now);
      const known = {
        id,
        state,
        name: row?.name ?? id,
        tags: JSON.parse(row?.tags ?? '{}') as Record<string, string>,
        access: row?.access ?? 'both',
        revision: row?.version ?? 0,
        ...(elsewhere && !['healthy', 'revoked'].includes(state) ? { certificateEnds: iso(ENDS) } : {}),
      };
      if (beat === undefined) {
        return [
          {
            ...known,
            node: id,
            version: '',
            addresses: [],
            tables: [],
            load: [0, 0, 0],
            startedAt: at,
            firstSeen: at,
            lastSeen: at,
          },
        ];
      }
      const { node, version, addresses, tables, load, startedAt } = beat;
      return [
        {
          ...known,
          node,
          version,
          addresses,
          tables,
          load,
          startedAt,
          firstSeen: iso(beat.firstSeen),
          lastSeen: iso(beat.lastSeen),
        },
      ];
    })
    .sort((a, b) => (a.id < b.id ? -1 : 1));
}

function whole(view: SatelliteView, query: object): SatelliteInfo[] {
  const items: SatelliteInfo[] = [];
  for (let cursor: string | null | undefined; cursor !== null;) {
    const page = view.list(satelliteListQuery.parse({ ...query, ...(cursor === undefined ? {} : { cursor }) }));
    items.push(...page.items);
    cursor = page.next;
  }
  return items;
}

const SORTS: Record<string, (s: SatelliteInfo) => string | number> = {
  id: () => 0,
  state: (s) => STATE_RANK[s.state],
  load: (s) => -s.load[0],
  lastSeen: (s) => s.lastSeen,
};
function withoutBeat(satellite: SatelliteInfo): object {
  const { load: _, lastSeen: __, tables: ___, ...rest } = satellite;
  return rest;
}

t.test(
  `whatever happens, list, counts, summary and what a watch tells are those of the whole (TERRARIUM_SEED=${SEED})`,
  async (t) => {
    const random = seeded(SEED);
    const pick = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)] as T;
    const w = await world(t);
    const book: Book = new Map();
    let refused = new Set<string>();
    const told = new Map<string, SatelliteInfo>();
    const followed = new Set(['s1', 's3']);
    const gathered = gatherChanges(w.view, followed, () => undefined);
    let beats = 0;
    const done = new Map<string, number>();

    for (let step = 0; step < STEPS; step += 1) {
      const id = pick(IDS);
      const actions: Record<string, () => unknown> = {
        beat() {
          for (const sat of IDS.filter(() => random() < 0.7)) {
            const before = book.get(sat);
            const load: Heartbeat['load'] = [Math.round(random() * 8) / 2, 0, 0];
            const heartbeat: Heartbeat =
              before === undefined || random() < 0.1
                ? {
                    id: sat,
                    node: random() < 0.9 ? sat : 's2',
                    version: pick(['1', '2']),
                    addresses: [pick(['10.0.0.1', '10.0.0.2'])],
                    tables: pick([[], [{ name: 'processes', columns: ['pid'] }]]),
                    load,
                    startedAt: new Date(w.now).toISOString(),
                  }
                : { ...before, load };
            w.beat(heartbeat);
            if (!refused.has(sat)) {
              book.set(sat, { ...heartbeat, firstSeen: before?.firstSeen ?? w.now, lastSeen: w.now });
            }
          }
        },
        pass: () => w.pass(pick([250, 1_000, 4_000, 14_000, 31_000])),
        enrol: () =>
          w.propose('satellite.enrol', {
            id,
            name: `The ${id}`,
            tags: { place: pick(['cellar', 'roof']) },
            access: 'both',
            busKey: `key ${id} ${step}`,
            httpsKey: '',
            details: random() < 0.5 ? {} : { authority: 'CA', certificate: '', ends: ENDS },
          }),
        update: () =>
          w.propose('satellite.update', {
            id,
            name: `Named in step ${step}`,
            tags: { place: pick(['cellar', 'roof']) },
          }),
        states: () =>
          w.propose('satellite.states', {
            states: IDS.filter(() => random() < 0.5)
              .concat(id)
              .map((sat) => ({ id: sat, state: pick(['healthy', 'degraded', 'unreachable'] as const), at: w.now })),
          }),
        revoke: () => w.propose('satellite.revoke', { id }),
        delete: () => w.propose('satellite.delete', { id }),
        refuse() {
          refused = new Set(
            w
              .rows()
              .filter((r) => r.state === 'revoked')
              .map((r) => r.id),
          );
          w.registry.refuse(refused);
        },
      };
      const what = pick(['beat', 'beat', 'beat', 'pass', 'pass', ...Object.keys(actions)]);
      done.set(what, (done.get(what) ?? 0) + 1);
      await actions[what]?.();

      const now = expected(w, book, refused);
      if (!t.same(whole(w.view, { limit: 3 }), now, `step ${step}, ${what}: the list`)) {
        break;
      }
      const counts = { enrolled: 0, healthy: 0, degraded: 0, unreachable: 0, revoked: 0 };
      for (const s of now) {
        counts[s.state] += 1;
      }
      const heard = now.filter((s) => book.has(s.id) && !refused.has(s.id));
      const { version: _, ...summary } = w.view.summary(NODES);
      const bad = heard
        .filter((s) => s.state !== 'healthy')
        .sort(
          (a, b) =>
            STATE_RANK[a.state] - STATE_RANK[b.state] ||
            (a.lastSeen === b.lastSeen ? (a.id < b.id ? -1 : 1) : a.lastSeen < b.lastSeen ? -1 : 1),
        );
      if (
        !t.same(
          summary,
          {
            counts,
            concerns: bad.map(({ id: sat, name, node, state, lastSeen }) => ({ id: sat, name, node, state, lastSeen })),
            missing: NODES.filter((n) => !heard.some((s) => s.node === n)),
          },
          `step ${step}, ${what}: the summary`,
        )
      ) {
        break;
      }

      const sort = pick(Object.keys(SORTS));
      const key = SORTS[sort] as (s: SatelliteInfo) => string | number;
      const [state, place, text] = [
        pick([undefined, 'degraded,unreachable', 'healthy']),
        pick([undefined, 'cellar']),
        pick([undefined, 's1', 'step 1', '10.0.0.2 healthy']),
      ];
      const fitting = now
        .filter(
          (s) => (state?.split(',').includes(s.state) ?? true) && (place === undefined || s.tags['place'] === place),
        )
        .filter((s) =>
          (text ?? '')
            .split(' ')
            .every((word) =>
              [
                s.id,
                s.name,
                s.node,
                s.state,
                s.version,
                ...s.addresses,
                ...Object.entries(s.tags).map(([k, v]) => `${k}=${v}`),
              ]
                .join(' ')
                .toLowerCase()
                .includes(word),
            ),
        )
        .sort((a, b) => (key(a) < key(b) || (key(a) === key(b) && a.id < b.id) ? -1 : 1));
      const query = {
        limit: pick([1, 4, 500]),
        sort,
        ...(state === undefined ? {} : { state }),
        ...(place === undefined ? {} : { tags: `place=${place}` }),
        ...(text === undefined ? {} : { text }),
      };
      if (
        !t.same(
          whole(w.view, query).map((s) => s.id),
          fitting.map((s) => s.id),
          `step ${step}: ${JSON.stringify(query)}`,
        )
      ) {
        break;
      }

      // A reader who takes what has changed only now and then has the fleet all the same.
      if (random() < 0.3) {
        const line = gathered.take();
        for (const item of line?.items ?? []) {
          told.set(item.id, item);
        }
        for (const gone of line?.gone ?? []) {
          told.delete(gone);
        }
        beats += line?.beats.length ?? 0;
        if (!t.ok(line?.beats.every((b) => followed.has(b.id)) ?? true)) {
          break;
        }
        if (
          !t.same(
            [...told.values()].sort((a, b) => (a.id < b.id ? -1 : 1)).map(withoutBeat),
            now.map(withoutBeat),
            `step ${step}: what a watch has told`,
          )
        ) {
          break;
        }
      }
    }
    t.ok(beats > 0, 'heartbeats of those that are followed');
    t.comment(JSON.stringify(Object.fromEntries(done)));
  },
);

t.test('many at once: few words, whatever their number', async (t) => {
  const w = await world(t);
  const many = Array.from({ length: 2_000 }, (_, n) => `m${n}`);
  const gathered = gatherChanges(w.view, new Set(['m5']), () => undefined);
  const take = (): FleetLine | undefined => gathered.take();
  for (const id of many) {
    w.beat({ id });
  }
  t.match(take(), { many: true, items: [], gone: [] }, 'all are new');
  for (const id of many) {
    w.beat({ id, load: [1, 1, 1] });
  }
  t.match(take(), { many: false, items: [], gone: [], beats: [{ id: 'm5', load: [1, 1, 1] }] });
  t.equal(take(), undefined);
  t.same(w.written.size, 2_000);
  w.pass(31_000);
  t.match(take(), { many: true });
  const { counts, concerns } = w.view.summary([]);
  t.match(counts, { unreachable: 2_000, healthy: 0 });
  t.equal(concerns.length, MOST_CONCERNS);
  for (const id of many.slice(0, MOST_ITEMS)) {
    w.beat({ id });
  }
  t.match(take(), { many: false, items: { length: MOST_ITEMS } }, 'so many are told one by one');
  t.ok(JSON.stringify(w.view.summary([])).length < 20_000);
  const first = w.registry.tables('m1')?.[0];
  t.equal(w.registry.tables('m2')?.[0], first, 'what all have is kept once');
});

t.test('when something was heard last is written down in turn, not with every heartbeat', async (t) => {
  const w = await world(t);
  const some = Array.from({ length: 120 }, (_, n) => `w${n}`);
  for (const id of some) {
    w.beat({ id });
  }
  const first = w.now;
  const late = (): number => [...w.written.values()].filter((r) => r.lastSeen === first).length;
  t.equal(late(), 120, 'a new one at once');
  w.now += 5_000;
  for (const id of some) {
    w.beat({ id });
  }
  w.pass(1_000);
  t.equal(late(), 118);
  w.pass(59_000);
  t.equal(late(), 0, 'within a minute');
});

t.test(
  'a fault about one satellite ends nothing: not the hearing of others, not the judging of their silence',
  async (t) => {
    const w = await world(t);
    w.beat({ id: 's0', certificateEnds: Number.MAX_SAFE_INTEGER });
    t.equal(w.registry.get('s0'), undefined, 'what is no heartbeat is not taken');
    w.registry.onChange((id) => {
      if (id === 's1') {
        throw new Error('a listener fails');
      }
    });
    for (const id of ['s1', 's2']) {
      t.doesNotThrow(() => w.beat({ id, certificateEnds: 8_640_000_000_000_000 }));
    }
    t.match(w.view.get('s2'), { state: 'healthy', certificateEnds: '+275760-09-13T00:00:00.000Z' });
    t.doesNotThrow(() => w.pass(31_000));
    t.same(
      ['s1', 's2'].map((id) => w.registry.get(id)?.state),
      ['unreachable', 'unreachable'],
    );
  },
);

t.test('of the addresses that a satellite says those are kept that are some', async (t) => {
  const w = await world(t);
  w.beat({
    id: 's1',
    addresses: [
      '10.0.0.1',
      'fd00::1',
      'console.example',
      '10.0.0.2 console.example',
      '10.0.0.3\n10.0.0.4 x',
      'fe80::1%eth0',
      '',
      '::ffff:10.0.0.5',
    ],
  });
  t.match(w.registry.get('s1'), { state: 'healthy', addresses: ['10.0.0.1', 'fd00::1', '::ffff:10.0.0.5'] });
});

t.test('one that says other tables with each start is kept no better than the others', async (t) => {
  const w = await world(t);
  const tables = (id: string): unknown => w.registry.tables(id)?.[0];
  w.beat({ id: 'usual' });
  const usual = tables('usual');
  const first = [{ name: 'odd0', columns: [] }];
  w.beat({ id: 'odd', tables: first });
  const odd = tables('odd');
  for (let n = 1; n <= 200; n += 1) {
    w.beat({ id: 'odd', startedAt: new Date(w.now + n).toISOString(), tables: [{ name: `odd${n}`, columns: [] }] });
    if (n % 50 === 0) {
      w.beat({ id: `new${n}` });
    }
  }
  for (const n of [50, 100, 150, 200]) {
    t.equal(tables(`new${n}`), usual, 'what many have is kept once');
  }
  w.beat({ id: 'odd', startedAt: started, tables: first });
  t.same(tables('odd'), first);
  t.not(tables('odd'), odd, 'what nobody has any more is forgotten');
});
