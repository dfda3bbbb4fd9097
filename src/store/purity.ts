import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import type { Store } from './database.ts';

/**
 * SQL functions whose answer depends on the clock, on chance, on this connection or on SQLite's release. They throw on
 * the connection that applies commands, also as a column's default: every instance has to write the same.
 */
const IMPURE_SQL = [
  'random',
  'randomblob',
  'date',
  'time',
  'datetime',
  'julianday',
  'unixepoch',
  'strftime',
  'timediff',
  'current_timestamp',
  'current_date',
  'current_time',
  'last_insert_rowid',
  'changes',
  'total_changes',
  'sqlite_version',
  'sqlite_source_id',
  'sqlite_compileoption_used',
  'sqlite_compileoption_get',
  'sqlite_offset',
];

export function forbidImpureSql(db: Store): void {
  for (const name of IMPURE_SQL) {
    db.function(name, { varargs: true }, () => {
      throw new Impure(`${name}() in SQL`);
    });
  }
}

/** What a command's apply must not do; the applier stops at it. */
export class Impure extends Error {
  override name = 'Impure';
  constructor(what: string) {
    super(`${what} is not the same on every instance: the proposer has to put such a value into the command`);
  }
}

let applying = false;

const RealDate = Date;
class FixedDate extends RealDate {
  constructor(...args: unknown[]) {
    if (args.length === 0) {
      throw new Impure('new Date()');
    }
    super(...(args as [number]));
  }
  static override now(): number {
    throw new Impure('Date.now()');
  }
}

function forbidden(what: string): () => never {
  return () => {
    throw new Impure(what);
  };
}

let cryptoGuarded = false;
/**
 * Commands import by name, and such a binding is fixed: so these stay wrapped, and throw only while something is being
 * applied.
 */
function guardCrypto(): void {
  if (cryptoGuarded) {
    return;
  }
  cryptoGuarded = true;
  const names = ['randomUUID', 'randomBytes', 'randomInt', 'randomFillSync'] as const;
  for (const name of names) {
    const real = crypto[name] as (...args: unknown[]) => unknown;
    const guarded = function (this: unknown, ...args: unknown[]): unknown {
      if (applying) {
        throw new Impure(`crypto.${name}()`);
      }
      return real.apply(this, args);
    };
    Object.defineProperty(crypto, name, { value: guarded, configurable: true, writable: true });
  }
  syncBuiltinESMExports();
}

/** Runs `work`, which is synchronous, without clock and without chance: reading either throws `Impure`. */
export function purely<T>(work: () => T): T {
  if (applying) {
    return work();
  }
  guardCrypto();
  const saved = {
    random: Math.random,
    now: performance.now,
    uuid: globalThis.crypto.randomUUID,
    values: globalThis.crypto.getRandomValues,
  };
  applying = true;
  globalThis.Date = FixedDate as DateConstructor;
  Math.random = forbidden('Math.random()');
  performance.now = forbidden('performance.now()');
  globalThis.crypto.randomUUID = forbidden('crypto.randomUUID()');
  globalThis.crypto.getRandomValues = forbidden('crypto.getRandomValues()');
  try {
    return work();
  } finally {
    applying = false;
    globalThis.Date = RealDate;
    Math.random = saved.random;
    performance.now = saved.now;
    globalThis.crypto.randomUUID = saved.uuid;
    globalThis.crypto.getRandomValues = saved.values;
  }
}
