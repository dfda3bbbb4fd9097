import { readFileSync, readdirSync } from 'node:fs';
import t from 'tap';
import type { QueryLine } from '../../src/api/queries.ts';
import { busCount } from '../support/bus-count.ts';
import { collectGarbage } from '../support/garbage.ts';
import { API_TOKEN, localClouds, until, type LocalClouds } from '../support/local-cloud.ts';
import { childrenOf, proportional } from '../support/memory.ts';
import { querySocket, type QuerySocket } from '../support/query-socket.ts';
import { testSatellite, type TestSatellite } from '../support/satellites.ts';
import { seeded } from '../support/seeded.ts';

/**
 * Queries over twenty real satellites, of which two are killed -9 in the middle of each. TERRARIUM_QUERIES: how many
 * (default 8; 1,000 in long/); TERRARIUM_GROUPS: in so many groups of twenty side by side, each by queries of its own
 * (default 1: a query waits for a lost satellite most of its time); TERRARIUM_SEED repeats a run.
 */
const QUERIES = Number(process.env['TERRARIUM_QUERIES'] ?? 8);
const GROUPS = Number(process.env['TERRARIUM_GROUPS'] ?? 1);
const SEED = Number(process.env['TERRARIUM_SEED'] ?? 20261121);
const SATELLITES = 20;
/** Before memory is looked at for the first time: code that has been compiled, caches that are full. */
const WARM = Math.max(4, Math.round(QUERIES / GROUPS / 20));
const MAX_GROWTH = 10 * 1024 * 1024;

const node = { name: 'n1', address: '127.0.0.1' };
const groupIds = Array.from({ length: GROUPS }, (_, g) =>
  Array.from({ length: SATELLITES }, (__, i) => `s${g * SATELLITES + i + 1}`),
);
let clouds: LocalClouds;
let cloudPid: number;
let groups: TestSatellite[][];
let socket: QuerySocket;
/** Children of the satellites that were killed, as they were killed. */
const workers = new Set<number>();

t.before(async () => {
  clouds = await localClouds([node], { satellites: groupIds.flat() });
  cloudPid = (await clouds.start(node)).pid ?? 0;
  groups = groupIds.map((ids) => ids.map((id) => testSatellite(clouds, node, id)));
  for (const s of groups.flat()) {
    s.start();
  }
  await Promise.all(groups.flat().map((s) => s.heard()));
  socket = await querySocket(clouds, node, { authorization: `Bearer ${API_TOKEN}` });
  // The first statement of each starts a process: on a busy machine so many at once take longer than a satellite may be
  // silent.
  for (const satellites of groupIds) {
    await until(
      'an answer of all',
      async () => {
        const answer = (await socket.ask({ sql: 'select 1', satellites })).at(-1);
        return answer !== undefined && 'done' in answer && satellites.every((id) => answer.satellites[id] === 'rows')
          ? true
          : undefined;
      },
      180_000,
    );
  }
});
t.teardown(async () => {
  await socket.close();
  await Promise.all(groups.flat().map((s) => s.kill()));
  await clouds.stop();
});

/** Rows without end from the two, a hundred from each of the others. */
function statement(victims: string[]): string {
  const most =
    `(select case when hostname in (${victims.map((v) => `'${v}'`).join()}) then ` + '1e15 else 100 end from system)';
  return `with recursive c(x) as (select 1 union all select x + 1 from c where x < ${most}) select x from c`;
}

/** @returns what is wrong with the answer; empty for nothing. */
async function ask(group: TestSatellite[], victims: TestSatellite[]): Promise<string[]> {
  const ids = group.map((s) => s.id);
  const kills = new Map(victims.map((v) => [v.id, v]));
  const deaths: Promise<void>[] = [];
  const rows = new Map<string, number>();
  const errors: string[] = [];
  let done: Extract<QueryLine, { done: true }> | undefined;
  await socket.ask(
    { sql: statement(victims.map((v) => v.id)), satellites: ids, maxRows: 1_000_000, timeoutMs: 60_000 },
    (line) => {
      if ('done' in line) {
        done = line;
      } else if ('error' in line) {
        errors.push(`${line.sat} ${line.error.code}`);
      } else if ('seq' in line && 'rows' in line) {
        rows.set(line.sat, (rows.get(line.sat) ?? 0) + line.rows.length);
        const victim = kills.get(line.sat);
        if (victim === undefined) {
          return;
        }
        // It is in the middle of its rows.
        kills.delete(line.sat);
        for (const pid of childrenOf(victim.pid)) {
          workers.add(pid);
        }
        deaths.push(victim.kill().then(() => victim.start()));
      }
    },
  );
  await Promise.all(deaths);
  const wrong: string[] = [];
  const expected = victims.map((v) => `${v.id} satellite.lost`).sort();
  if (errors.sort().join() !== expected.join()) {
    wrong.push(`errors: ${errors.join()} instead of ${expected.join()}`);
  }
  for (const id of ids) {
    const isVictim = victims.some((v) => v.id === id);
    if (done?.satellites[id] !== (isVictim ? 'lost' : 'rows')) {
      wrong.push(`${id} is ${done?.satellites[id]}`);
    }
    if (!isVictim && rows.get(id) !== 100) {
      wrong.push(`${id} sent ${rows.get(id)} rows`);
    }
  }
  await Promise.all(victims.map((v) => v.heard()));
  return wrong;
}

/** Processes for statements whose satellite is gone: those that killed satellites had, and no other has since. */
function orphans(): number[] {
  const alive = new Set(groups.flat().map((s) => s.pid));
  return [...workers].filter((pid) => {
    try {
      const parent = Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('sql-worker\0') && !alive.has(parent);
    } catch {
      return false;
    }
  });
}

t.test(
  `${QUERIES} queries over ${SATELLITES} satellites, two killed in each: rows of the others, two errors, and ` +
    'nothing is left behind',
  { timeout: 0 },
  async (t) => {
    const random = seeded(SEED);
    const count = await busCount(clouds, node);
    const before = { subscriptions: await count.subscriptions(), connections: await count.connections() };
    const bus = Number(
      readdirSync('/proc').find((pid) => {
        try {
          return (
            readFileSync(`/proc/${pid}/stat`, 'utf8').includes('(nats-server)') &&
            new RegExp(`^PPid:\\s+${cloudPid}$`, 'm').test(readFileSync(`/proc/${pid}/status`, 'utf8'))
          );
        } catch {
          return false;
        }
      }),
    );
    const memory = async (): Promise<{ cloud: number; bus: number }> => {
      await collectGarbage(cloudPid);
      return { cloud: proportional(cloudPid), bus: proportional(bus) };
    };
    let asked = 0;
    let faults = 0;
    const askAll = (each: number): Promise<void[]> =>
      Promise.all(
        groups.map(async (group) => {
          for (let n = 0; n < each && faults < 5; n += 1) {
            const [first, second] = pick(group, random);
            const wrong = await ask(group, [first, second]);
            asked += 1;
            if (wrong.length === 0) {
              continue;
            }
            faults += 1;
            t.fail(`query ${asked}, ${first.id} and ${second.id}, seed ${SEED}: ${wrong.join('; ')}`);
          }
        }),
      );
    await askAll(WARM);
    const warm = await memory();
    await askAll(Math.ceil(QUERIES / GROUPS));
    t.equal(faults, 0, `${asked} queries`);
    await until(
      'the same connections',
      async () => ((await count.connections()) === before.connections ? true : undefined),
      30_000,
    );
    await until("the same subscriptions by the server's own count", async () =>
      (await count.subscriptions()) === before.subscriptions ? true : undefined,
    );
    await until('no process without its satellite', () => (orphans().length === 0 ? true : undefined), 30_000);
    t.ok(workers.size >= 2 * asked, `${workers.size} processes were at work when their satellites were killed`);
    const end = await memory();
    const mib = (bytes: number): string => (bytes / 1024 ** 2).toFixed(1);
    t.comment(`cloud ${mib(warm.cloud)} → ${mib(end.cloud)} MiB, nats-server ${mib(warm.bus)} → ${mib(end.bus)} MiB`);
    t.ok(end.cloud - warm.cloud < MAX_GROWTH, `the cloud grew by ${mib(end.cloud - warm.cloud)} MiB`);
    // Its own collector of garbage gives back what it has freed some minutes later.
    await until(
      'nats-server to be as small',
      () => (proportional(bus) - warm.bus < MAX_GROWTH ? true : undefined),
      180_000,
    );
    t.comment(`nats-server ${mib(proportional(bus))} MiB at last`);
    await count.close();
  },
);

function pick(group: TestSatellite[], random: () => number): [TestSatellite, TestSatellite] {
  const first = Math.floor(random() * SATELLITES);
  const second = (first + 1 + Math.floor(random() * (SATELLITES - 1))) % SATELLITES;
  return [group[first] as TestSatellite, group[second] as TestSatellite];
}
