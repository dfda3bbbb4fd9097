import { randomUUID } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import t from 'tap';
import type { CommandKind } from '../../src/store/kind.ts';
import { entryOf } from '../support/store-temp.ts';
import { kind, started, user } from './support/state-machine.ts';

t.test('clock and chance throw inside apply, in SQL also as a default', async (t) => {
  const impure: Record<string, CommandKind<unknown>['apply']> = {
    'test.now': () => ({ value: Date.now(), changes: [] }),
    'test.date': () => ({ value: new Date().toISOString(), changes: [] }),
    'test.random': () => ({ value: Math.random(), changes: [] }),
    'test.uuid': () => ({ value: randomUUID(), changes: [] }),
    'test.global': () => ({ value: crypto.randomUUID(), changes: [] }),
    'test.sql': (tx) => ({ value: tx.get<{ r: number }>('SELECT random() AS r')?.r ?? 0, changes: [] }),
    'test.datetime': (tx) => ({ value: tx.run("UPDATE users SET created_at = unixepoch('now')"), changes: [] }),
    'test.default': (tx) => ({ value: tx.run('INSERT INTO defaults (a) VALUES (1)'), changes: [] }),
    'test.changes': (tx) => ({ value: tx.get<{ c: number }>('SELECT changes() AS c')?.c ?? 0, changes: [] }),
  };
  const m = started(Object.fromEntries(Object.entries(impure).map(([name, apply]) => [name, kind(apply)])));
  m.apply([user('eva')]);
  m.db.exec('CREATE TABLE defaults (a INTEGER, b TEXT DEFAULT current_timestamp)');
  for (const name of Object.keys(impure)) {
    t.throws(
      () => m.apply([entryOf(name, {})]),
      { name: 'Broken', message: /not the same on every instance|unsafe use of/ },
      name,
    );
  }
  t.equal(m.meta().position, 2);
  t.ok(
    Date.now() > 1e12 && typeof Math.random() === 'number' && new Date().getTime() > 1e12,
    'and they are themselves again',
  );
  const fixed = started({ 'test.fixed': kind(() => ({ value: new Date(5).toISOString(), changes: [] })) });
  t.match(fixed.apply([entryOf('test.fixed', {})]), [{ result: { ok: true, value: '1970-01-01T00:00:00.005Z' } }]);
});

t.test('commands import nothing that could tell instances apart', async (t) => {
  const allowed = /^(zod|\.\.\/[a-z-]+\.ts)$/;
  for (const file of readdirSync('src/store/commands')) {
    for (const [, from] of readFileSync(`src/store/commands/${file}`, 'utf8').matchAll(/from '([^']+)'/g)) {
      t.match(from, allowed, file);
    }
  }
});
