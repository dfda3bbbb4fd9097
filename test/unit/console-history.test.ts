import t from 'tap';
import {
  MOST_CHARACTERS,
  MOST_ENTRIES,
  parseHistory,
  remember,
  type HistoryEntry,
} from '../../src/console/logic/history.ts';

const entry = (sql: string): HistoryEntry => ({
  sql,
  at: '2026-01-02T03:04:05.000Z',
  satellites: 3,
  rows: 1,
  ms: 2,
  outcome: 'done',
});

t.test('the newest is first, and the same statement is there once', async (t) => {
  const history = remember(remember(remember([], entry('a')), entry('b')), { ...entry('a'), rows: 9 });
  t.same(
    history.map((e) => [e.sql, e.rows]),
    [
      ['a', 9],
      ['b', 1],
    ],
  );
});

t.test('it is bounded in entries and in characters', async (t) => {
  let history: HistoryEntry[] = [];
  for (let i = 0; i < MOST_ENTRIES + 20; i += 1) {
    history = remember(history, entry(`select ${i}`));
  }
  t.equal(history.length, MOST_ENTRIES);
  t.equal(history[0]?.sql, `select ${MOST_ENTRIES + 19}`);
  const long = 'x'.repeat(MOST_CHARACTERS / 2);
  t.equal(remember(remember([entry('a')], entry(`${long}1`)), entry(`${long}2`)).length, 1);
});

t.test('what is stored is believed only as far as it is a history', async (t) => {
  t.same(parseHistory(null), []);
  t.same(parseHistory('{'), []);
  t.same(parseHistory('{"sql":"a"}'), []);
  t.same(parseHistory(JSON.stringify([null, 1, { sql: 1 }, { ...entry('a'), outcome: 'x' }, entry('b')])), [
    entry('b'),
  ]);
});
