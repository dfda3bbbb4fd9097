import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import t from 'tap';
import { addonPath } from '../../src/assets.ts';
import { fileStorage } from '../../src/store/file-storage.ts';
import { openReplica } from '../../src/store/open.ts';
import { seeded } from '../support/seeded.ts';
import { contents } from '../support/store-temp.ts';

const SEED = Number(process.env['TERRARIUM_SEED'] ?? 20261121);
const FLIPS = 200;

/** Everything that a machine goes by. */
function all(file: string): unknown {
  const db = new Database(file, { nativeBinding: addonPath(), readonly: true });
  try {
    return {
      ...contents(db),
      log: db.prepare('SELECT * FROM _log ORDER BY message').all(),
      position: db.prepare('SELECT position, chain, schema, epoch, base FROM _meta').all(),
    };
  } finally {
    db.close();
  }
}

t.test('a bit flipped anywhere in the database is found, or is of no account', async (t) => {
  const dir = t.testdir();
  const replica = await openReplica({
    self: 'n1',
    dir,
    log: () => undefined,
    space: () => ({ free: 1e12, total: 1e12 }),
  });
  for (let n = 0; n < 300; n += 1) {
    await replica.propose({
      kind: 'query.put',
      actor: 'test',
      args: { id: `q${n % 90}`, owner: 'eva', name: `name ${n}`, sql: `select ${n}`, details: { n } },
    });
  }
  await replica.stop();
  const bytes = readFileSync(join(dir, 'state.db'));
  const before = JSON.stringify(all(join(dir, 'state.db')));
  const random = seeded(SEED);
  const damaged = join(dir, 'damaged');
  mkdirSync(damaged);
  const storage = fileStorage(damaged, 'FULL');
  let found = 0;
  for (let n = 0; n < FLIPS; n += 1) {
    const copy = Buffer.from(bytes);
    const at = Math.floor(random() * copy.length);
    const bit = Math.floor(random() * 8);
    copy[at] = (copy[at] as number) ^ (1 << bit);
    writeFileSync(join(damaged, 'state.db'), copy);
    const { problems, log } = await storage.verify();
    if (problems.length > 0 || log.length > 0) {
      found += 1;
    } else if (JSON.stringify(all(join(damaged, 'state.db'))) !== before) {
      t.fail(
        `seed ${SEED}: bit ${bit} of byte ${at} (page ${Math.floor(at / 4096) + 1}) is not found, and changes what ` +
          'is read',
      );
    }
  }
  // A column of another name breaks no row, and SQLite finds no fault with it.
  for (const [table, column] of [
    ['users', 'created_at INTEGER'],
    ['audit', 'kind TEXT'],
    ['saved_queries', 'name TEXT'],
  ] as const) {
    const copy = Buffer.from(bytes);
    // Also where a page that is not in use any more has it.
    for (
      let from = copy.indexOf(`CREATE TABLE ${table} (`);
      from >= 0;
      from = copy.indexOf(`CREATE TABLE ${table} (`, from + 1)
    ) {
      const at = copy.indexOf(column, from);
      copy[at] = (copy[at] as number) ^ 1;
    }
    writeFileSync(join(damaged, 'state.db'), copy);
    t.same((await storage.verify()).problems, ['The definitions of the tables are not what was written.'], table);
  }
  t.comment(`seed ${SEED}: ${found} of ${FLIPS} found in ${bytes.length} bytes, the others lie where nothing is read`);
  t.ok(found > FLIPS / 2);
});
