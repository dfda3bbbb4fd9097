import { chmodSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { addonPath } from '../assets.ts';
import { Failure } from '../errors.ts';
import { moduleNames } from '../modules.ts';

export type Store = Database.Database;

/**
 * Opens (or creates, mode 0600) a database and brings its schema up to date.
 * @throws Failure `store` naming the file, where it cannot be opened or was written by a newer release.
 */
export async function openDatabase(file: string): Promise<Store> {
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    const db = new Database(file, { nativeBinding: addonPath() });
    chmodSync(file, 0o600);
    db.pragma('journal_mode = WAL');
    // One instance each writes its own file and nothing replays what a crash loses.
    db.pragma('synchronous = FULL');
    db.pragma('foreign_keys = ON');
    db.pragma('trusted_schema = OFF');
    await migrate(db, file);
    return db;
  } catch (cause) {
    if (cause instanceof Failure) {
      throw cause;
    }
    throw new Failure('store', `The database ${file} cannot be opened: ${(cause as Error).message}.`, { cause });
  }
}

/**
 * Forward only: each migration runs once, in the order of its number, in one transaction with the new `user_version`.
 */
async function migrate(db: Store, file: string): Promise<void> {
  const migrations: { version: number; sql: string }[] = [];
  for (const name of moduleNames('src/store/migrations')) {
    const module = (await import(`./migrations/${name}.ts`)) as { sql: string };
    migrations.push({ version: Number.parseInt(name, 10), sql: module.sql });
  }
  const current = db.pragma('user_version', { simple: true }) as number;
  const newest = migrations.at(-1)?.version ?? 0;
  if (current > newest) {
    throw new Failure('store', `The database ${file} has schema ${current}; this release knows ${newest} at most.`, {
      remedy: 'Run the release that wrote it, or a newer one.',
    });
  }
  for (const { version, sql } of migrations) {
    if (version <= current) {
      continue;
    }
    db.transaction(() => {
      db.exec(sql);
      db.pragma(`user_version = ${version}`);
    })();
  }
}
