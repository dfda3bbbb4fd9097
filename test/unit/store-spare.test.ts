import Database from 'better-sqlite3';
import t from 'tap';
import { addonPath } from '../../src/assets.ts';
import { openFacts } from '../../src/store/facts.ts';
import { spareWrites } from '../../src/store/spare.ts';

t.test('a write that fails is told once a minute, and nothing else happens', async (t) => {
  const db = new Database(':memory:', { nativeBinding: addonPath() });
  db.exec('CREATE TABLE facts (key TEXT PRIMARY KEY, value TEXT NOT NULL, updated_at INTEGER NOT NULL)');
  const said: string[] = [];
  let clock = 0;
  const facts = spareWrites(
    (line) => said.push(line),
    () => clock,
  ).facts(openFacts(db));
  facts.put('a', 1);
  db.pragma(`max_page_count = ${db.pragma('page_count', { simple: true }) as number}`);
  const large = 'x'.repeat(100_000);
  for (clock of [0, 10_000, 59_999]) {
    facts.put('b', large);
  }
  t.same(said, ['cloud: what is kept for the next start is not written: database or disk is full']);
  clock = 60_000;
  facts.put('b', large);
  t.equal(said.length, 2);
  t.same([facts.get('a'), facts.get('b')], [1, undefined]);
});
