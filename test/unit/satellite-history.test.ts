import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import t from 'tap';
import { addonPath } from '../../src/assets.ts';
import { History } from '../../src/satellite/collector/history.ts';
import { collectorSettings, type Limits } from '../../src/satellite/collector/settings.ts';
import { historyTable, loadTables, type CollectedTable, type Row } from '../../src/satellite/table.ts';

const MIB = 1024 * 1024;
const HOUR = 3_600_000;
const logs = historyTable({
  name: 'lines',
  description: 'x',
  columns: [
    { name: 'message', type: 'text', description: 'x' },
    { name: 'n', type: 'integer', description: 'x' },
  ],
});
const state: CollectedTable = {
  kind: 'state',
  name: 'things',
  description: 'x',
  columns: [{ name: 'name', type: 'text', description: 'x' }],
};

function open(
  file: string,
  limits: Record<string, Limits> = { lines: { maxBytes: MIB, maxAgeMs: HOUR } },
  fileBytes = 8 * MIB,
  tables = [logs, state],
): History {
  return History.open(file, tables, limits, fileBytes);
}

function fill(history: History, n: number, from: number, bytes = 100): void {
  for (let i = 0; i < n; i += 500) {
    const rows: Row[] = Array.from({ length: Math.min(500, n - i) }, (_, k) => ({
      message: 'x'.repeat(bytes),
      n: from + i + k,
      unix_ms: from + i + k,
    }));
    history.transaction(() => history.append('lines', rows));
  }
}

t.test('the file is for its owner alone, and is read while it is written', async (t) => {
  const file = join(t.testdir({}), 'deep/state/history.db');
  const history = open(file);
  history.transaction(() =>
    history.append('lines', [{ message: 'one', n: 1, unix_ms: Date.parse('2026-11-21T12:00:00.250Z') }]),
  );
  for (const f of [file, `${file}-wal`, `${file}-shm`]) {
    t.equal(statSync(f).mode & 0o777, 0o600, f);
  }
  t.equal(statSync(join(file, '..')).mode & 0o777, 0o700);
  const reader = new Database(file, { readonly: true, nativeBinding: addonPath() });
  t.strictSame(reader.prepare('SELECT * FROM lines').all(), [
    { time: '2026-11-21T12:00:00.250Z', message: 'one', n: 1, unix_ms: 1795262400250 },
  ]);
  history.transaction(() => history.append('lines', [{ message: 'two', n: 2, unix_ms: 1 }]));
  t.match(reader.prepare('SELECT count(*) AS n FROM lines').get(), { n: 2 });
  reader.close();
  history.close();
});

t.test('what is too old goes, also where the order is not quite that of time', async (t) => {
  const history = open(join(t.testdir({}), 'h.db'));
  fill(history, 6_000, 0);
  history.transaction(() => history.append('lines', [{ message: 'late', n: 0, unix_ms: 10 }]));
  history.prune(HOUR + 5_000);
  t.strictSame(
    history.all('SELECT count(*) AS n, min(n) AS first FROM lines'),
    [{ n: 1_001, first: 0 }],
    'the late one stays until those before it have gone',
  );
  history.prune(HOUR + 5_900);
  t.strictSame(history.all('SELECT count(*) AS n, min(unix_ms) AS first FROM lines'), [{ n: 100, first: 5_900 }]);
  t.equal(history.usage('lines').rows, 100);
  history.close();
});

t.test('what is too much goes, the oldest first, and the file becomes small again', async (t) => {
  const file = join(t.testdir({}), 'h.db');
  const history = open(file, { lines: { maxBytes: MIB, maxAgeMs: HOUR } }, 64 * MIB);
  fill(history, 40_000, 0, 400);
  history.all('PRAGMA wal_checkpoint(TRUNCATE)');
  const full = history.size().file;
  history.prune(0);
  history.all('PRAGMA wal_checkpoint(TRUNCATE)');
  const { rows, bytes } = history.usage('lines');
  t.ok(bytes <= MIB && bytes > 0.8 * MIB, `${bytes} bytes`);
  t.strictSame(history.all('SELECT count(*) AS n, max(n) AS last, min(n) AS first FROM lines'), [
    { n: rows, last: 39_999, first: 40_000 - rows },
  ]);
  t.ok(history.size().file < full / 2 && history.size().file < 4.5 * MIB, `${full} bytes, then ${history.size().file}`);
  history.close();
  const again = open(file, { lines: { maxBytes: MIB, maxAgeMs: HOUR } }, 64 * MIB);
  t.strictSame(again.usage('lines'), { rows, bytes }, 'and a new process reckons the same');
  again.close();
});

t.test('the file never grows beyond its limit, whatever is written between two looks', async (t) => {
  const history = open(join(t.testdir({}), 'h.db'), { lines: { maxBytes: 100 * MIB, maxAgeMs: HOUR } }, 4 * MIB);
  for (let i = 0; i < 30; i += 1) {
    fill(history, 2_000, i * 2_000, 400);
    t.ok(history.size().file <= 4 * MIB, `${history.size().file} bytes`);
  }
  t.match(history.all('SELECT max(n) AS last FROM lines'), [{ last: 59_999 }], 'the newest is there');
  t.equal(
    history.all<{ n: number }>('SELECT count(*) AS n FROM lines')[0]?.n,
    history.usage('lines').rows,
    'the count survived what was undone',
  );
  history.close();
});

t.test('all of a transaction or nothing', async (t) => {
  const history = open(join(t.testdir({}), 'h.db'));
  t.throws(() =>
    history.transaction(() => {
      history.append('lines', [{ message: 'x', n: 1, unix_ms: 1 }]);
      history.append('lines', [{ message: 'no time', n: 2, unix_ms: null }]);
    }),
  );
  t.strictSame([history.all('SELECT * FROM lines'), history.usage('lines')], [[], { rows: 0, bytes: 0 }]);
  history.transaction(() => history.replace('things', [{ name: 'a' }, { name: 'b' }]));
  history.transaction(() => history.replace('things', [{ name: 'c' }]));
  t.strictSame(history.all('SELECT * FROM things'), [{ name: 'c' }]);
  history.close();
});

t.test('a table of another release is begun anew, the others stay; a damaged file is begun anew', async (t) => {
  const file = join(t.testdir({}), 'h.db');
  const first = open(file);
  fill(first, 10, 0);
  first.transaction(() => first.replace('things', [{ name: 'a' }]));
  first.close();
  const wider: CollectedTable = {
    ...state,
    columns: [...state.columns, { name: 'more', type: 'text', description: 'x' }],
  };
  const second = open(file, undefined, undefined, [logs, wider]);
  t.strictSame([second.usage('lines').rows, second.usage('things').rows], [10, 0]);
  second.close();
  const bytes = readFileSync(file);
  bytes.fill(0x5a, 0, 4096);
  writeFileSync(file, bytes);
  const third = open(file);
  t.equal(third.usage('lines').rows, 0);
  fill(third, 10, 0);
  t.equal(third.usage('lines').rows, 10);
  third.close();
});

t.test('every collected table of ours can be made, and has a limit', async (t) => {
  const tables = (await loadTables()).filter((x) => x.kind !== 'live');
  const { limits, maxFileBytes } = collectorSettings(undefined);
  const history = History.open(join(t.testdir({}), 'h.db'), tables, limits, maxFileBytes);
  t.strictSame(
    tables.filter((x) => x.kind === 'history' && limits[x.name] === undefined).map((x) => x.name),
    [],
  );
  t.ok(Object.values(limits).reduce((sum, l) => sum + l.maxBytes, 0) < maxFileBytes, 'together they fit into the file');
  history.close();
});

t.test('settings', async (t) => {
  const { limits, sampleMs } = collectorSettings('{"logs": {"mib": 1, "hours": 2}, "sampleSeconds": 5}');
  t.strictSame([limits['container_logs'], sampleMs], [{ maxBytes: MIB, maxAgeMs: 2 * HOUR }, 5_000]);
  t.strictSame(
    limits['kubernetes_events'],
    collectorSettings(undefined).limits['kubernetes_events'],
    'what is left out is as by default',
  );
  for (const bad of ['{', '[]', '{"log": {}}', '{"logs": {"mib": -1}}', '{"fileMib": "8"}']) {
    t.throws(() => collectorSettings(bad), { code: 'bad-collector-settings' }, bad);
  }
});
