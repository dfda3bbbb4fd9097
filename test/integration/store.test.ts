import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { stateOf } from '../../src/cloud/satellites.ts';
import { openDatabase } from '../../src/store/database.ts';
import { openFacts } from '../../src/store/facts.ts';
import { openSatellites, type SatelliteRecord } from '../../src/store/satellites.ts';

const satellite: SatelliteRecord = {
  id: 'n1',
  node: 'n1',
  version: '0.1.0',
  addresses: ['10.0.0.1', 'fd00::1'],
  tables: [{ name: 'processes', columns: ['pid'] }],
  load: [0.5, 1, 2],
  startedAt: '2026-01-01T00:00:00.000Z',
  firstSeen: 1,
  lastSeen: 2,
};

t.test('a new database is readable by its owner only, and syncs each commit', async (t) => {
  const file = join(t.testdir(), 'deeper/cloud.db');
  const db = await openDatabase(file);
  t.equal(statSync(file).mode & 0o777, 0o600);
  t.equal(db.pragma('journal_mode', { simple: true }), 'wal');
  t.equal(db.pragma('synchronous', { simple: true }), 2);
  t.ok(
    db
      .prepare<[], { strict: number }>(
        "SELECT strict FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite_%'",
      )
      .all()
      .every((r) => r.strict === 1),
  );
  db.close();
});

t.test('what was written is there after another start', async (t) => {
  const file = join(t.testdir(), 'cloud.db');
  let db = await openDatabase(file);
  openFacts(db).put('topology', { servers: [] });
  openFacts(db).put('topology', { servers: ['n1'] });
  openSatellites(db).put([satellite]);
  openSatellites(db).put([{ ...satellite, lastSeen: 9, firstSeen: 9 }]);
  db.close();
  db = await openDatabase(file);
  t.same(openFacts(db).get('topology'), { servers: ['n1'] });
  t.equal(openFacts(db).get('nothing'), undefined);
  t.same(openSatellites(db).all(), [{ ...satellite, lastSeen: 9 }], 'the first time seen stays');
  openSatellites(db).remove('n1');
  t.same(openSatellites(db).all(), []);
  db.close();
});

t.test('a database of a newer release, or none at all, is refused by a sentence', async (t) => {
  const dir = t.testdir();
  const file = join(dir, 'cloud.db');
  const db = await openDatabase(file);
  db.pragma('user_version = 9999');
  db.close();
  await t.rejects(openDatabase(file), { code: 'store', message: /has schema 9999/, remedy: /./ });
  writeFileSync(join(dir, 'text.db'), 'this is no database, however long it may be. '.repeat(50));
  await t.rejects(openDatabase(join(dir, 'text.db')), { code: 'store', message: /text\.db cannot be opened/ });
});

t.test("a satellite's state by its silence", async (t) => {
  t.same(
    [0, 14_999, 15_000, 29_999, 30_000].map((silence) => stateOf(1000, 1000 + silence)),
    ['healthy', 'healthy', 'degraded', 'degraded', 'unreachable'],
  );
});
