import { existsSync } from 'node:fs';
import type { Test } from 'tap';
import { HEARTBEAT_MS } from '../../../../src/bus/frames.ts';
import type { AskOptions, Asked } from './reader.ts';

/** Begins a statement that never ends, or takes more and more. */
export const ENDLESS = 'with recursive c(x) as (select 1 union all select x + 1 from c)';

export interface HostileWorld {
  ask(q: string, sql: string, options?: AskOptions): Asked;
  /** Waits for one more heartbeat. @returns the longest time without one since `from`, ms */
  greatestGap(from: number): Promise<number>;
  /** A file that no statement may make. */
  stolen(): string;
}

/** Registers the tests of statements that would harm the machine. */
export function hostileTests(t: Test, world: HostileWorld): void {
  t.test('hostile statements are stopped or refused, and a heartbeat is never missed', (t) => oneByOne(t, world));
  t.test(
    'eight hostile statements at once: each is stopped or refused within its limits, and a normal one answers after',
    (t) => eightAtOnce(t, world),
  );
  t.test('a statement that was stopped twice for its memory is denied', (t) => deniedForItsMemory(t, world));
}

async function oneByOne(t: Test, { ask, greatestGap, stolen }: HostileWorld): Promise<void> {
  const hostile: [string, string, string][] = [
    ['hostile001', `${ENDLESS} select max(x) from c`, 'query.timeout'],
    ['hostile002', `${ENDLESS} select count(distinct hex(randomblob(5000)) || x) from c`, 'query.memory'],
    ['hostile003', "attach '/etc/passwd' as p", 'query.denied'],
    ['hostile004', `vacuum into '${stolen()}'`, 'query.denied'],
    ['hostile005', 'pragma temp_store_directory', 'query.denied'],
    ['hostile006', 'create temp table x as select 1', 'query.denied'],
    ['hostile007', "select load_extension('/lib/x.so')", 'query.denied'],
    ['hostile008', 'select length(zeroblob(900000000))', 'query.too-large'],
    ['hostile009', 'select 1; delete from processes', 'query.denied'],
    ['hostile010', 'select * from pragma_database_list', 'query.denied'],
    ['hostile011', 'select * from nowhere', 'query.syntax'],
    ['hostile012', `select ${'('.repeat(3000)}1${')'.repeat(3000)}`, 'query.syntax'],
    ['hostile013', 'select * from log_positions', 'query.denied'],
    ['hostile014', 'delete from container_logs', 'query.denied'],
    ['hostile015', "insert into history.pods (name) values ('x')", 'query.denied'],
    ['hostile016', 'detach history', 'query.denied'],
    ['hostile017', 'pragma history.journal_mode = delete', 'query.denied'],
    ['hostile018', 'drop table history.pods', 'query.denied'],
    ['hostile019', 'select 1 from pods where deleted()', 'query.syntax'],
    ['hostile021', "select fts5('x')", 'query.denied'],
    ['hostile022', 'select * from dbstat', 'query.denied'],
    ['hostile023', 'select count(*) from pragma_table_list', 'query.denied'],
    ['hostile024', 'select count(*) from log_positions', 'query.denied'],
    ['hostile025', 'select count(*) from bytecode', 'query.syntax'],
  ];
  const started = Date.now();
  for (const [q, sql, code] of hostile) {
    const { last } = await ask(q, sql, { timeoutMs: code === 'query.timeout' ? 3_000 : 60_000 }).done;
    t.match(last, { error: { code } }, sql.slice(0, 80));
  }
  t.notOk(existsSync(stolen()));
  const gap = await greatestGap(started);
  t.ok(gap < 2 * HEARTBEAT_MS, `at most ${gap} ms between two heartbeats`);
  t.match((await ask('harmless01', 'select 1').done).last, { end: { rows: 1 } });
}

async function eightAtOnce(t: Test, { ask, greatestGap, stolen }: HostileWorld): Promise<void> {
  const text =
    "(with recursive t(n, s) as (select 1, 'a' union all select n + 1, s || s from t where n < 20) select max(s) " +
    'from t)';
  const hostile: [string, RegExp][] = [
    [`${ENDLESS} select max(x) from c`, /timeout|busy/],
    [`${ENDLESS} select count(distinct hex(randomblob(9000)) || x) from c`, /memory|timeout|busy/],
    ["attach '/etc/shadow' as p", /denied/],
    [`vacuum into '${stolen()}'`, /denied/],
    [
      'with recursive a(x) as (select 1 union all select a.x + b.x from a, (select 1 x union all select 2) b) ' +
        'select count(*) from a',
      /timeout|memory|busy/,
    ],
    ['select zeroblob(2000000000) || zeroblob(2000000000)', /too-large|syntax|busy/],
    [`${ENDLESS} select group_concat(${text} || x) from c`, /too-large|memory|timeout|busy/],
    [
      `select count(*) from (${ENDLESS} select x from c limit 1000) where ${text} glob '${'*a'.repeat(400)}b'`,
      /timeout|syntax|busy/,
    ],
  ];
  const started = Date.now();
  const answers = await Promise.all(hostile.map(([sql], i) => ask(`eight0000${i}`, sql, { timeoutMs: 4_000 }).done));
  for (const [i, { last }] of answers.entries()) {
    t.match('error' in last ? last.error.code : 'end', hostile[i]?.[1] ?? /^$/, hostile[i]?.[0].slice(0, 60) ?? '');
  }
  const took = Date.now() - started;
  t.ok(took < 60_000, `all ended after ${took} ms`);
  const asked = Date.now();
  t.match((await ask('normal0001', 'select count(*) from processes').done).last, { end: { rows: 1 } });
  // 2 s are promised; this is a machine that runs tests.
  t.comment(`a normal one answered after ${Date.now() - asked} ms`);
  const gap = await greatestGap(started);
  t.ok(gap < 2 * HEARTBEAT_MS, `no heartbeat was missed: at most ${gap} ms between two`);
  t.notOk(existsSync(stolen()));
}

async function deniedForItsMemory(t: Test, { ask }: HostileWorld): Promise<void> {
  const sql = `${ENDLESS} select count(distinct hex(randomblob(9000)) || x || 'denied') from c`;
  t.match((await ask('memory0001', sql, { timeoutMs: 60_000 }).done).last, { error: { code: 'query.memory' } });
  t.match((await ask('memory0002', sql, { timeoutMs: 60_000 }).done).last, { error: { code: 'query.memory' } });
  t.match((await ask('memory0003', `  ${sql.toUpperCase()}`).done).last, {
    error: { code: 'query.denied', message: /refused here for an hour/ },
  });
}
