import { closeSync, openSync, readSync } from 'node:fs';
import Database from 'better-sqlite3';
import { addonPath } from '../../assets.ts';
import { Damaged, isOutside } from '../damage.ts';
import type { Store } from '../database.ts';
import type { Meta } from '../machine/types.ts';
import { damagedLog, inTurns, verifySteps } from '../verify.ts';

const readMeta = (db: Store): Meta =>
  db.prepare<[], Meta>('SELECT epoch, base, message, position, chain, schema FROM _meta').get() as Meta;

/** Looks at a database by SQLite's own check. @throws Error where that finds fault with it. */
export function inspect(file: string): Meta {
  const db = new Database(file, { nativeBinding: addonPath(), readonly: true });
  try {
    const found = db.pragma('integrity_check', { simple: true });
    if (found !== 'ok') {
      throw new Error(`SQLite finds fault with ${file}: ${String(found)}`);
    }
    return readMeta(db);
  } finally {
    db.close();
  }
}

/**
 * Looks at a copy of the database by all checks that there are.
 * @throws Error where it is not what was written to it: nobody may start from it.
 */
export async function inspectWhole(file: string): Promise<Meta> {
  const db = new Database(file, { nativeBinding: addonPath(), readonly: true });
  try {
    const problems = await inTurns(verifySteps(db));
    if (problems.length > 0) {
      throw new Damaged(`the database is damaged: ${problems.join(' ')}`);
    }
    return readMeta(db);
  } finally {
    db.close();
  }
}

/** Looks for damage in a database, as `verify` of storage.ts. */
export async function verifyFile(file: string): Promise<{ problems: string[]; log: number[] }> {
  try {
    const db = new Database(file, { nativeBinding: addonPath(), readonly: true });
    try {
      const problems = [...damagedHeader(file), ...(await inTurns(verifySteps(db)))];
      return { problems, log: problems.length > 0 ? [] : await inTurns(damagedLog(db)) };
    } finally {
      db.close();
    }
  } catch (error) {
    if (isOutside(error)) {
      throw error;
    }
    return { problems: [`SQLite: ${(error as Error).message}.`], log: [] };
  }
}

/**
 * What SQLite looks at before anything else, and what no check of it tells: by a flipped bit there it takes a database
 * for one of a newer release, that may only be read.
 */
function damagedHeader(file: string): string[] {
  const header = Buffer.alloc(20);
  const fd = openSync(file, 'r');
  try {
    readSync(fd, header, 0, header.length, 0);
  } finally {
    closeSync(fd);
  }
  return [header[18], header[19]].every((version) => version === 1 || version === 2)
    ? []
    : ['The header of the file is not what SQLite writes.'];
}
