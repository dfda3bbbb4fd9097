import Database from 'better-sqlite3';
import type { Command } from '../entry.ts';
import { scanTable, summedTables } from '../images.ts';
import { Refusal, type Change, type Tx } from '../kind.ts';
import { versionOf } from '../resources.ts';
import type { MachineContext } from './context.ts';
import type { Result } from './types.ts';

/** The database as the command at this position sees it. */
export function transactionAt(context: MachineContext, position: number): Tx {
  const { db, options, images, prepared } = context;
  const supported = options.schema.at(-1)?.version ?? 0;
  return {
    position,
    schema: context.meta.schema,
    get: <Row>(text: string, ...params: unknown[]) => prepared(text).get(...params) as Row | undefined,
    all: <Row>(text: string, ...params: unknown[]) => prepared(text).all(...params) as Row[],
    run: (text, ...params) => prepared(text).run(...params).changes,
    activateSchema(version) {
      if (version > supported) {
        throw new Error(`schema ${version} is newer than this release's ${supported}`);
      }
      if (version <= context.meta.schema) {
        throw new Refusal('exists', `Schema ${context.meta.schema} is active already.`);
      }
      for (const migration of options.schema) {
        if (migration.version > context.meta.schema && migration.version <= version) {
          db.exec(migration.sql);
        }
      }
      images.watch();
      images.setSums(new Map(summedTables(db).map((table) => [table, scanTable(db, table)])));
      context.meta = { ...context.meta, schema: version };
    },
  };
}

/**
 * Applies a command and writes its audit row, so that either both are there or, for a refusal, only that.
 * @throws what is no refusal: the applier cannot go on
 */
export function carryOut(context: MachineContext, tx: Tx, command: Command): Result {
  const { db, options, sql, images } = context;
  const kind = options.kinds.get(command.kind);
  if (kind === undefined) {
    throw new Error('a kind of command that this release does not know');
  }
  sql.savepoint.run();
  try {
    if (context.meta.schema < kind.since) {
      throw new Refusal('not-active', `This change needs schema ${kind.since}, and ${context.meta.schema} is active.`);
    }
    if (command.expect !== undefined) {
      const version = versionOf(tx, command.expect.resource);
      if (version !== command.expect.version) {
        throw new Refusal(
          'version-conflict',
          `${command.expect.resource} has version ${version}, not ${command.expect.version}.`,
        );
      }
    }
    const { value, changes } = kind.apply(tx, command);
    const result: Result = value === undefined ? { ok: true } : { ok: true, value };
    if (kind.audited !== false) {
      audit(context, tx, command, result, changes);
    }
    sql.release.run();
    return result;
  } catch (error) {
    const refusal = refusalOf(error);
    if (refusal === undefined) {
      throw error;
    }
    db.exec('ROLLBACK TO command; RELEASE command');
    images.discard();
    const result: Result = { ok: false, code: refusal.code, message: refusal.message };
    if (kind.audited !== false) {
      audit(context, tx, command, result, []);
    }
    return result;
  }
}

function audit(context: MachineContext, tx: Tx, command: Command, result: Result, changes: Change[]): void {
  if (context.meta.schema < 1) {
    return;
  }
  tx.run(
    'INSERT INTO audit (position, id, at, actor, kind, outcome, resource, changes) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
    tx.position,
    command.id,
    command.at,
    command.actor,
    command.kind,
    result.ok ? 'ok' : result.code,
    changes[0]?.resource ?? command.expect?.resource ?? null,
    JSON.stringify(changes),
  );
}

/**
 * A rule of the tables that a command breaks is a refusal as well, equal on every instance: stopping there would stop
 * all of them, for good. SQLite's own sentence may be another one in the next release, its codes are not.
 */
function refusalOf(error: unknown): Pick<Refusal, 'code' | 'message'> | undefined {
  if (error instanceof Refusal) {
    return error;
  }
  if (!(error instanceof Database.SqliteError) || !error.code.startsWith('SQLITE_CONSTRAINT')) {
    return undefined;
  }
  return { code: 'invalid', message: `The change does not fit the tables of the cloud (${error.code}).` };
}
