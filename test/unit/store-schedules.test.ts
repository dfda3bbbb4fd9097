import { randomBytes } from 'node:crypto';
import t from 'tap';
import { scopesOf } from '../../src/cloud/auth/access.ts';
import type { Command } from '../../src/store/entry.ts';
import { loadKinds, loadSchema } from '../../src/store/kind.ts';
import { openMachine, type Machine } from '../../src/store/machine.ts';
import { WHOLE_TABLES_EVERY } from '../../src/store/machine/whole-tables.ts';
import type { ScheduleRow, ScheduleRunRow } from '../../src/store/rows.ts';
import { KEEP_PACKED, KEEP_RUNS, MAX_SCHEDULES } from '../../src/store/schedule-limits.ts';
import { firstTime, isDue, timeAfter, timesBetween } from '../../src/store/schedule-times.ts';
import { mayQuery } from '../../src/store/schedules.ts';
import { atOnce, verifySteps } from '../../src/store/verify.ts';
import { contents, entryOf, memoryDatabase } from '../support/store-temp.ts';

const kinds = await loadKinds();
const schema = await loadSchema();
const MINUTE = 60_000;
const NOON = Date.UTC(2026, 10, 21, 12);

t.test('times: a grid that late runs do not shift, spread over a minute, and safe from clocks that jump', async (t) => {
  const firsts = Array.from({ length: 100 }, (_, n) => firstTime(`s${n}`, MINUTE, NOON) - NOON);
  t.ok(firsts.every((ms) => ms >= 0 && ms < MINUTE));
  const busiest = Math.max(
    ...Array.from({ length: 60 }, (_, second) => firsts.filter((ms) => Math.floor(ms / 1000) === second).length),
  );
  t.ok(busiest < 10, `${busiest} of 100 in one second`);
  t.equal(firstTime('s1', MINUTE, NOON), firstTime('s1', MINUTE, NOON), 'the same on every instance');
  t.equal(timeAfter(NOON, MINUTE, NOON), NOON + MINUTE);
  t.equal(timeAfter(NOON, MINUTE, NOON + MINUTE - 1), NOON + MINUTE);
  t.equal(
    timeAfter(NOON, MINUTE, NOON + 10 * MINUTE + 7),
    NOON + 11 * MINUTE,
    'many have passed: the next is one of the grid',
  );
  t.equal(timeAfter(NOON, MINUTE, NOON - 90_000), NOON - MINUTE, 'a clock set back to before the first');
  t.equal(timesBetween(NOON, MINUTE, NOON, NOON + 59_999), 0);
  t.equal(timesBetween(NOON, MINUTE, NOON, NOON + 10 * MINUTE + 7), 10);
  t.equal(timesBetween(NOON, MINUTE, NOON + MINUTE, NOON), 0, 'never less than none');
  const at = (nextAt: number): boolean => isDue({ nextAt, interval: MINUTE }, NOON);
  t.same([at(NOON), at(NOON + 1), at(NOON - 7 * 24 * 60 * MINUTE)], [true, false, true]);
  t.notOk(at(NOON + 2 * MINUTE), 'clocks of instances differ a little');
  t.ok(at(NOON + 24 * 60 * MINUTE), 'reckoned by a clock that was a day ahead: it does not wait for a day');
});

t.test('who may query is the same for the state and for the API', async (t) => {
  for (const role of ['admin', 'operator', 'viewer'] as const) {
    t.equal(mayQuery({ role, disabled: 0 }), scopesOf(role).includes('query'), role);
  }
  t.notOk(mayQuery({ role: 'admin', disabled: 1 }));
  t.notOk(mayQuery(undefined));
});

/** The same history on two instances, one entry at a time and all together at last. */
function pair(): {
  run: (kind: string, args: unknown, more?: Partial<Command>) => unknown;
  one: Machine;
  same: () => boolean;
} {
  const open = (): Machine => openMachine(memoryDatabase(), { kinds, schema, keepLog: true });
  const [one, other] = [open(), open()];
  const entries: Buffer[] = [];
  const run = (kind: string, args: unknown, more: Partial<Command> = {}): unknown => {
    const entry = entryOf(kind, args, more);
    entries.push(entry);
    return one.apply([entry])[0]?.result;
  };
  run('schema.activate', { version: schema.at(-1)?.version ?? 0 });
  for (const [name, role] of [
    ['root', 'admin'],
    ['eva', 'operator'],
  ]) {
    run('user.create', { name, role, passwordHash: 'h', mustChangePassword: false });
  }
  return {
    run,
    one,
    same: () => {
      other.apply(entries.splice(0));
      return (
        JSON.stringify(contents(one.db)) === JSON.stringify(contents(other.db)) &&
        one.meta().chain === other.meta().chain &&
        atOnce(verifySteps(one.db)).length === 0
      );
    },
  };
}
const put = (id: string, more: object = {}): object => ({
  id,
  owner: 'eva',
  name: id,
  sql: 'select 1',
  query: null,
  target: {},
  limits: { timeoutMs: 1000, maxRows: 10 },
  intervalMs: MINUTE,
  paused: false,
  ...more,
});
const schedule = (m: Machine, id = 's'): ScheduleRow =>
  m.db.prepare<[string], ScheduleRow>('SELECT * FROM schedules WHERE id = ?').get(id) as ScheduleRow;
const runs = (m: Machine, id = 's'): ScheduleRunRow[] =>
  m.db.prepare<[string], ScheduleRunRow>('SELECT * FROM schedule_runs WHERE schedule = ? ORDER BY number').all(id);
const begin = (number: number, due: number | null, more: object = {}): object => ({
  schedule: 's',
  number,
  runner: 'n1',
  boot: 'b1',
  due,
  ...more,
});
const finish = (number: number, more: object = {}): object => ({
  schedule: 's',
  number,
  state: 'done',
  reason: '',
  counts: { rows: 1 },
  failures: [],
  rows: 1,
  bytes: 9,
  kept: 1,
  cut: '',
  ...more,
});

t.test(
  'a run is begun once, by whoever is first; late ones stand for those missed; times during a run are skipped',
  async (t) => {
    const { run, one, same } = pair();
    t.match(run('schedule.put', put('s'), { at: NOON }), { ok: true });
    const first = schedule(one).next_at;
    t.ok(first >= NOON && first < NOON + MINUTE);
    t.match(run('schedule.begin', begin(1, first), { at: first + 10 }), { ok: true, value: { number: 1, missed: 0 } });
    t.match(
      run('schedule.begin', begin(1, first, { runner: 'n2' }), { at: first + 11 }),
      { ok: false, code: 'exists' },
      'another that thinks it leads',
    );
    t.equal(schedule(one).next_at, first + MINUTE);
    t.match(run('schedule.finish', finish(1), { at: first + 100 }), { ok: true, value: { skipped: 0 } });
    t.match(
      run('schedule.begin', begin(1, first, { runner: 'n2' }), { at: first + 110 }),
      { ok: false, code: 'version-conflict' },
      'also when it is over',
    );
    t.match(run('schedule.finish', finish(1, { state: 'failed' }), { at: first + 120 }), {
      ok: false,
      code: 'version-conflict',
    });
    // The leader was away for 10 minutes: one run, late.
    const late = first + 11 * MINUTE + 5;
    t.match(run('schedule.begin', begin(2, first + MINUTE), { at: late }), {
      ok: true,
      value: { number: 2, missed: 10 },
    });
    t.equal(schedule(one).next_at, first + 12 * MINUTE);
    // It takes longer than two intervals.
    t.match(run('schedule.finish', finish(2, { state: 'partial' }), { at: first + 13 * MINUTE + 5 }), {
      ok: true,
      value: { skipped: 2 },
    });
    t.equal(schedule(one).next_at, first + 14 * MINUTE);
    t.match(schedule(one), { done: 1, partial: 1, skipped: 2, missed: 10, running: 0, number: 2 });
    // A clock that was set back by a day: one run, and the next after an interval.
    const back = first - 24 * 60 * MINUTE + 5;
    t.match(run('schedule.begin', begin(3, first + 14 * MINUTE), { at: back }), { ok: true, value: { missed: 0 } });
    t.ok(schedule(one).next_at > back && schedule(one).next_at <= back + MINUTE);
    t.match(run('schedule.finish', finish(3), { at: back + 1 }), { ok: true });
    // Asked for while it is paused: nothing passes meanwhile.
    run('schedule.state', { id: 's', state: 'paused', reason: '' }, { at: back + 2 });
    t.match(run('schedule.begin', begin(4, schedule(one).next_at), { at: back + 10 * MINUTE }), {
      ok: false,
      code: 'denied',
      message: /paused/,
    });
    run('schedule.begin', begin(4, null), { at: back + 10 * MINUTE });
    t.match(run('schedule.finish', finish(4), { at: back + 11 * MINUTE }), { ok: true, value: { skipped: 0 } });
    run('schedule.state', { id: 's', state: 'enabled', reason: '' }, { at: back + 20 * MINUTE });
    t.ok(schedule(one).next_at >= back + 20 * MINUTE && schedule(one).next_at < back + 21 * MINUTE);
    t.ok(same());
  },
);

t.test('a run whose instance is lost is begun once more, not for ever; asked ones are not', async (t) => {
  const { run, one, same } = pair();
  run('schedule.put', put('s', { intervalMs: 7 * 24 * 60 * MINUTE }), { at: NOON });
  const first = schedule(one).next_at;
  run('schedule.begin', begin(1, first), { at: first });
  run('schedule.finish', finish(1, { state: 'lost' }), { at: first + 7_000 });
  t.match(schedule(one), { again: 1, next_at: first + 7_000, lost: 1 });
  run('schedule.begin', begin(2, first + 7_000, { runner: 'n2' }), { at: first + 7_500 });
  t.match(runs(one)[1], { cause: 'again', runner: 'n2' });
  t.equal(schedule(one).next_at, first + 7 * 24 * 60 * MINUTE, 'the others stay where they were');
  run('schedule.finish', finish(2, { state: 'lost' }), { at: first + 20_000 });
  t.match(schedule(one), { again: 0, next_at: first + 7 * 24 * 60 * MINUTE, lost: 2 });
  t.match(run('schedule.begin', begin(3, null), { at: first + 30_000, actor: 'eva' }), { ok: true });
  run('schedule.finish', finish(3, { state: 'lost' }), { at: first + 31_000 });
  t.match(schedule(one), { again: 0, next_at: first + 7 * 24 * 60 * MINUTE });
  t.match(runs(one)[2], { cause: 'asked', actor: 'eva' });
  t.ok(same());
});

t.test('a schedule has the rights of its owner, and stops when they go', async (t) => {
  const { run, one, same } = pair();
  t.match(run('schedule.put', put('s', { owner: 'nobody' })), {
    ok: false,
    code: 'denied',
    message: /nobody has been deleted/,
  });
  run('schedule.put', put('s'), { at: NOON });
  const { next_at: due } = schedule(one);
  run('user.update', { name: 'eva', role: 'viewer' });
  t.match(schedule(one), { state: 'stopped', reason: 'Its owner eva may not query any more.' });
  const said =
    one.db.prepare<[], { changes: string }>('SELECT changes FROM audit ORDER BY position DESC LIMIT 1').get()
      ?.changes ?? '';
  t.match(
    JSON.parse(said),
    [{ resource: 'user/eva' }, { resource: 'schedule/s', before: { state: 'enabled' }, after: { state: 'stopped' } }],
    'which the audit log says',
  );
  t.match(run('schedule.begin', begin(1, due), { at: due }), { ok: false, code: 'denied' });
  t.match(run('schedule.state', { id: 's', state: 'enabled', reason: '' }), { ok: false, code: 'denied' });
  run('user.update', { name: 'eva', role: 'operator' });
  t.match(
    run('schedule.begin', begin(1, due), { at: due }),
    { ok: false, code: 'denied', message: /stopped/ },
    'it does not come back by itself',
  );
  t.match(run('schedule.state', { id: 's', state: 'enabled', reason: '' }, { at: due + MINUTE }), { ok: true });
  t.match(schedule(one), { state: 'enabled', reason: '', owner: 'eva' });
  run('user.delete', { name: 'eva' });
  t.match(schedule(one), { state: 'stopped', reason: 'Its owner eva has been deleted.' });
  run('user.create', { name: 'eva', role: 'admin', passwordHash: 'h', mustChangePassword: false });
  t.match(schedule(one), { state: 'stopped' }, 'another of the same name does not inherit it');
  t.match(run('schedule.state', { id: 's', state: 'enabled', reason: '', owner: 'root' }), { ok: true });
  t.match(schedule(one), { state: 'enabled', owner: 'root' });
  t.ok(same());
});

t.test('runs and rows are bounded, and what is not a change is not in the audit log', async (t) => {
  const { run, one, same } = pair();
  run('schedule.put', put('s', { query: 'q1', sql: null }), { at: NOON });
  const audited = one.db.prepare('SELECT count(*) FROM audit').pluck().get();
  const data = randomBytes(999).toString('base64');
  for (const schedule of ['p0', 'p1']) {
    run('schedule.put', put(schedule), { at: NOON });
    for (let number = 1; number <= KEEP_RUNS; number += 1) {
      run('schedule.begin', begin(number, null, { schedule }), { at: NOON });
      t.match(run('schedule.rows', { schedule, number, piece: 0, data }), { ok: true });
      t.match(run('schedule.rows', { schedule, number, piece: 0, data }), { ok: false, code: 'exists' });
      run('schedule.finish', finish(number, { schedule }), { at: NOON });
    }
  }
  t.equal(runs(one, 'p0')[0]?.packed, 999);
  for (let number = KEEP_RUNS + 1; number <= KEEP_RUNS + 3; number += 1) {
    run('schedule.begin', begin(number, null, { schedule: 'p0' }), { at: NOON });
    run('schedule.finish', finish(number, { schedule: 'p0' }), { at: NOON });
  }
  t.same(
    runs(one, 'p0').map((r) => r.number),
    Array.from({ length: KEEP_RUNS }, (_, n) => n + 4),
  );
  const puts = one.db.prepare("SELECT count(*) FROM audit WHERE kind = 'schedule.put'").pluck().get() as number;
  t.equal(one.db.prepare('SELECT count(*) FROM audit').pluck().get(), (audited as number) + puts - 1);
  t.equal(
    one.db.prepare("SELECT count(*) FROM schedule_rows WHERE schedule = 'p0'").pluck().get(),
    KEEP_RUNS - 3,
    'rows go with their runs',
  );
  run('schedule.delete', { id: 'p1' });
  t.equal(
    one.db.prepare("SELECT count(*) FROM schedule_rows WHERE schedule = 'p1'").pluck().get(),
    0,
    'they go with it',
  );
  while (one.meta().position % WHOLE_TABLES_EVERY !== 5) {
    run('audit.note', { resource: 'x/y', before: null, after: null });
  }
  t.ok(same(), 'two instances have the same, past the look at whole tables');
});

t.test('rows of all runs together are bounded: the oldest lose theirs, and say so', async (t) => {
  const { run, one } = pair();
  const data = Buffer.from('x').toString('base64');
  for (const schedule of ['a', 'b', 'c']) {
    run('schedule.put', put(schedule), { at: NOON });
    run('schedule.begin', begin(1, null, { schedule }), { at: NOON });
    run('schedule.rows', { schedule, number: 1, piece: 0, data });
    if (schedule !== 'c') {
      run('schedule.finish', finish(1, { schedule }), { at: NOON });
    }
    // As if it had so many: to write them would take a test too long.
    one.db.prepare('UPDATE schedule_runs SET packed = ? WHERE schedule = ?').run(KEEP_PACKED / 2, schedule);
  }
  run('schedule.rows', { schedule: 'c', number: 1, piece: 1, data });
  t.match(
    [runs(one, 'a'), runs(one, 'b')],
    [[{ cut: 'dropped', kept: 0, packed: 0, rows: 1 }], [{ cut: 'dropped', packed: 0 }]],
  );
  t.match(runs(one, 'c'), [{ cut: '', packed: KEEP_PACKED / 2 + 1 }], 'not those of the run that writes');
  t.same(one.db.prepare('SELECT schedule, piece FROM schedule_rows ORDER BY position').raw().all(), [
    ['c', 0],
    ['c', 1],
  ]);
});

t.test(`${MAX_SCHEDULES} schedules, and no more`, async (t) => {
  const { run, same } = pair();
  for (let n = 0; n < MAX_SCHEDULES; n += 1) {
    run('schedule.put', put(`s${n}`));
  }
  t.match(run('schedule.put', put('one-more')), { ok: false, code: 'denied' });
  t.match(run('schedule.put', put('s0')), { ok: true });
  t.ok(same());
});
