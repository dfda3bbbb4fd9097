import t, { type Test } from 'tap';
import { satelliteListQuery, type SatelliteInfo } from '../../src/api/satellites.ts';
import type { FleetLine } from '../../src/api/watch.ts';
import type { Heartbeat } from '../../src/bus/frames.ts';
import { MOST_CONCERNS, type SatelliteView } from '../../src/cloud/satellites-view.ts';
import { MOST_ITEMS, gatherChanges } from '../../src/cloud/satellites-watch.ts';
import { seeded } from '../support/seeded.ts';
import { byConcern, ENDS, expected, expectedSearch, SORT_KEYS, type Book, type Search } from './support/fleet-model.ts';
import { openFleet, type Fleet } from './support/fleet.ts';

/**
 * The fleet as it is kept up with what changes, against all of it put together anew from the heartbeats and from the
 * state's rows.
 */
const SEED = Number(process.env['TERRARIUM_SEED'] ?? 20261121);
const STEPS = 250;
const IDS = Array.from({ length: 14 }, (_, n) => `s${n}`);
const NODES = ['s0', 's1', 's2', 'absent'];

function whole(view: SatelliteView, query: object): SatelliteInfo[] {
  const items: SatelliteInfo[] = [];
  for (let cursor: string | null | undefined; cursor !== null;) {
    const page = view.list(satelliteListQuery.parse({ ...query, ...(cursor === undefined ? {} : { cursor }) }));
    items.push(...page.items);
    cursor = page.next;
  }
  return items;
}

/** A fleet, the random choices of the test, and what it has written down. */
interface Run {
  fleet: Fleet;
  random: () => number;
  pick: <T>(all: readonly T[]) => T;
  book: Book;
  refused: Set<string>;
}

function startRun(fleet: Fleet, random: () => number): Run {
  const pick = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)] as T;
  return { fleet, random, pick, book: new Map(), refused: new Set() };
}

/** Some of the satellites are heard, at times after a restart. */
function beatSome({ fleet, random, pick, book, refused }: Run): void {
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
            startedAt: new Date(fleet.now).toISOString(),
          }
        : { ...before, load };
    fleet.beat(heartbeat);
    if (!refused.has(sat)) {
      book.set(sat, { ...heartbeat, firstSeen: before?.firstSeen ?? fleet.now, lastSeen: fleet.now });
    }
  }
}

/** The actions that may happen to one satellite in a step. */
function actionsOf(run: Run, id: string, step: number): Record<string, () => unknown> {
  const { fleet, random, pick } = run;
  return {
    beat: () => beatSome(run),
    pass: () => fleet.pass(pick([250, 1_000, 4_000, 14_000, 31_000])),
    enrol: () =>
      fleet.propose('satellite.enrol', {
        id,
        name: `The ${id}`,
        tags: { place: pick(['cellar', 'roof']) },
        access: 'both',
        busKey: `key ${id} ${step}`,
        httpsKey: '',
        details: random() < 0.5 ? {} : { authority: 'CA', certificate: '', ends: ENDS },
      }),
    update: () =>
      fleet.propose('satellite.update', {
        id,
        name: `Named in step ${step}`,
        tags: { place: pick(['cellar', 'roof']) },
      }),
    states: () =>
      fleet.propose('satellite.states', {
        states: IDS.filter(() => random() < 0.5)
          .concat(id)
          .map((sat) => ({ id: sat, state: pick(['healthy', 'degraded', 'unreachable'] as const), at: fleet.now })),
      }),
    revoke: () => fleet.propose('satellite.revoke', { id }),
    delete: () => fleet.propose('satellite.delete', { id }),
    refuse() {
      run.refused = new Set(
        fleet
          .rows()
          .filter((r) => r.state === 'revoked')
          .map((r) => r.id),
      );
      fleet.registry.refuse(run.refused);
    },
  };
}

function checkSummary(t: Test, { fleet, book, refused }: Run, now: SatelliteInfo[], when: string): boolean {
  const counts = { enrolled: 0, healthy: 0, degraded: 0, unreachable: 0, revoked: 0 };
  for (const s of now) {
    counts[s.state] += 1;
  }
  const heard = now.filter((s) => book.has(s.id) && !refused.has(s.id));
  const { version: _, ...summary } = fleet.view.summary(NODES);
  const bad = heard.filter((s) => s.state !== 'healthy').sort(byConcern);
  return t.same(
    summary,
    {
      counts,
      concerns: bad.map(({ id, name, node, state, lastSeen }) => ({ id, name, node, state, lastSeen })),
      missing: NODES.filter((n) => !heard.some((s) => s.node === n)),
    },
    `${when}: the summary`,
  );
}

function checkSearch(t: Test, { fleet, pick }: Run, now: SatelliteInfo[], step: number): boolean {
  const search: Search = {
    sort: pick(SORT_KEYS),
    state: pick([undefined, 'degraded,unreachable', 'healthy']),
    place: pick([undefined, 'cellar']),
    text: pick([undefined, 's1', 'step 1', '10.0.0.2 healthy']),
  };
  const { sort, state, place, text } = search;
  const query = {
    limit: pick([1, 4, 500]),
    sort,
    ...(state === undefined ? {} : { state }),
    ...(place === undefined ? {} : { tags: `place=${place}` }),
    ...(text === undefined ? {} : { text }),
  };
  return t.same(
    whole(fleet.view, query).map((s) => s.id),
    expectedSearch(now, search).map((s) => s.id),
    `step ${step}: ${JSON.stringify(query)}`,
  );
}

/** A reader who takes what has changed only now and then has the fleet all the same. */
interface Watch {
  followed: ReadonlySet<string>;
  gathered: ReturnType<typeof gatherChanges>;
  told: Map<string, SatelliteInfo>;
  /** How many heartbeats it was told. */
  beats: number;
}

function withoutBeat(satellite: SatelliteInfo): object {
  const { load: _, lastSeen: __, tables: ___, ...rest } = satellite;
  return rest;
}

function checkWatch(t: Test, watch: Watch, now: SatelliteInfo[], step: number): boolean {
  const { followed, gathered, told } = watch;
  const line = gathered.take();
  for (const item of line?.items ?? []) {
    told.set(item.id, item);
  }
  for (const gone of line?.gone ?? []) {
    told.delete(gone);
  }
  watch.beats += line?.beats.length ?? 0;
  return (
    t.ok(line?.beats.every((b) => followed.has(b.id)) ?? true) &&
    t.same(
      [...told.values()].sort((a, b) => (a.id < b.id ? -1 : 1)).map(withoutBeat),
      now.map(withoutBeat),
      `step ${step}: what a watch has told`,
    )
  );
}

t.test(
  `whatever happens, list, counts, summary and what a watch tells are those of the whole (TERRARIUM_SEED=${SEED})`,
  async (t) => {
    const fleet = await openFleet(t);
    const run = startRun(fleet, seeded(SEED));
    const { pick } = run;
    const followed = new Set(['s1', 's3']);
    const gathered = gatherChanges(fleet.view, followed, () => undefined);
    const watch: Watch = { followed, gathered, told: new Map(), beats: 0 };
    const done = new Map<string, number>();
    for (let step = 0; step < STEPS; step += 1) {
      const actions = actionsOf(run, pick(IDS), step);
      const what = pick(['beat', 'beat', 'beat', 'pass', 'pass', ...Object.keys(actions)]);
      done.set(what, (done.get(what) ?? 0) + 1);
      await actions[what]?.();

      const now = expected(fleet, run.book, run.refused);
      const when = `step ${step}, ${what}`;
      const right =
        t.same(whole(fleet.view, { limit: 3 }), now, `${when}: the list`) &&
        checkSummary(t, run, now, when) &&
        checkSearch(t, run, now, step) &&
        (run.random() >= 0.3 || checkWatch(t, watch, now, step));
      if (!right) {
        break;
      }
    }
    t.ok(watch.beats > 0, 'heartbeats of those that are followed');
    t.comment(JSON.stringify(Object.fromEntries(done)));
  },
);

t.test('many at once: few words, whatever their number', async (t) => {
  const fleet = await openFleet(t);
  const many = Array.from({ length: 2_000 }, (_, n) => `m${n}`);
  const gathered = gatherChanges(fleet.view, new Set(['m5']), () => undefined);
  const take = (): FleetLine | undefined => gathered.take();
  for (const id of many) {
    fleet.beat({ id });
  }
  t.match(take(), { many: true, items: [], gone: [] }, 'all are new');
  for (const id of many) {
    fleet.beat({ id, load: [1, 1, 1] });
  }
  t.match(take(), { many: false, items: [], gone: [], beats: [{ id: 'm5', load: [1, 1, 1] }] });
  t.equal(take(), undefined);
  t.same(fleet.written.size, 2_000);
  fleet.pass(31_000);
  t.match(take(), { many: true });
  const { counts, concerns } = fleet.view.summary([]);
  t.match(counts, { unreachable: 2_000, healthy: 0 });
  t.equal(concerns.length, MOST_CONCERNS);
  for (const id of many.slice(0, MOST_ITEMS)) {
    fleet.beat({ id });
  }
  t.match(take(), { many: false, items: { length: MOST_ITEMS } }, 'so many are told one by one');
  t.ok(JSON.stringify(fleet.view.summary([])).length < 20_000);
  const first = fleet.registry.tables('m1')?.[0];
  t.equal(fleet.registry.tables('m2')?.[0], first, 'what all have is kept once');
});
