import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { addonPath } from '../../src/assets.ts';
import { openReplica } from '../../src/store/open.ts';
import type { Draft, Replica } from '../../src/store/replica.ts';
import { ROOMY } from './store-temp.ts';

export const openOne = (dir: string, log: string[] = []): Promise<Replica> =>
  openReplica({ self: 'n1', dir, log: (l) => log.push(l), space: () => ROOMY });

export const put = (n: number, name = `name ${n}`): Draft => ({
  kind: 'query.put',
  actor: 'test',
  args: { id: `q${n}`, owner: 'eva', name, sql: 'select 1', details: {} },
});

export async function putAll(r: Replica, from: number, to: number): Promise<void> {
  await Promise.all(Array.from({ length: to - from }, (_, n) => r.propose(put(from + n))));
}

/** As they were put last. */
export const names = (r: Replica): unknown[] =>
  r.db.prepare('SELECT name FROM saved_queries ORDER BY version').pluck().all();

/** `names` after `putAll` from 0 on. */
export const namesTo = (count: number): string[] => Array.from({ length: count }, (_, n) => `name ${n}`);

/** Databases in a replica's folder, without the snapshots. */
export const databases = (dir: string): string[] =>
  readdirSync(dir)
    .filter((name) => name.endsWith('.db'))
    .sort();

/** As a fault of the disk: by a connection that carries no sums along. */
export function alter(file: string, sql: string): void {
  const db = new Database(file, { nativeBinding: addonPath() });
  try {
    if (db.prepare(sql).run().changes === 0) {
      throw new Error(`${sql} changes nothing`);
    }
  } finally {
    db.close();
  }
}

export const DAMAGE = "UPDATE saved_queries SET name = 'other' WHERE id = 'q3'";

/** 600 queries at positions 2 to 601, snapshots at 21 and 31, and then some damage. */
export async function leaveDamaged(dir: string, sql = DAMAGE): Promise<void> {
  const r = await openOne(dir);
  for (const [from, to, snapshot] of [
    [0, 20, true],
    [20, 30, true],
    [30, 600, false],
  ] as const) {
    await putAll(r, from, to);
    if (snapshot) {
      await r.snapshot();
    }
  }
  await r.stop();
  alter(join(dir, 'state.db'), sql);
}
