import { randomBytes } from 'node:crypto';
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import type { Test } from 'tap';
import { API_PATHS, COMMAND_HEADER, MIN_SEQ_HEADER, SEQ_HEADER } from '../../src/cloud/api-paths.ts';
import { KEEP_AUDIT } from '../../src/store/machine/whole-tables.ts';
import { ulid } from '../../src/store/ulid.ts';
import { misplaced } from './store-load.ts';

/** A write that is not acknowledged within this time has failed, however it ends. */
const FAILED_MS = 15_000;
/** After this a writer gives up. */
const LOST_MS = 180_000;
const TRY_MS = 5_000;
/**
 * The audit log keeps so many writes, by which they are checked; the rest is for what else it holds. Writers that have
 * made them wait for the end.
 */
const MOST_WRITES = KEEP_AUDIT * 0.7;
/** A write that took longer had met what was broken. */
const STALL_MS = 1_000;

export interface Written {
  /** Acknowledged writes: command's id → its position in the state. */
  acknowledged: Map<string, number>;
  /** Not acknowledged within 15 s: how long each took, in ms, and what was said last. */
  failed: string[];
  /** Tries that were repeated, by their reason. */
  repeated: Map<string, number>;
  /** Longest time from a first try to the acknowledgement, in ms. */
  slowest: number;
}

export interface Writers {
  written: Written;
  /** Ends after each writer's current write. @returns how it went, in a line */
  stop(): Promise<string>;
}

export interface Access {
  token: string;
  ca: string;
  port: number;
  addresses: string[];
}

/** A try of the n-th write of a writer. */
interface Write {
  address: string;
  /** The query that is saved. */
  key: string;
  /** The command's id. */
  id: string;
  /** The position that the writer has seen. */
  seen: number;
  n: number;
}

/** @returns the position of the write in the state @throws Error why it is not acknowledged */
function put(access: Access, agent: Agent, { address, key, id, seen, n }: Write): Promise<number> {
  const body = JSON.stringify({ name: `write ${n}`, sql: `select '${'x'.repeat(200)}'`, details: { n } });
  const headers = {
    authorization: `Bearer ${access.token}`,
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    [COMMAND_HEADER]: id,
    [MIN_SEQ_HEADER]: String(seen),
  };
  return new Promise((resolve, reject) => {
    const asked = request(
      {
        host: address,
        port: access.port,
        path: `${API_PATHS.savedQueries}/${key}`,
        method: 'PUT',
        agent,
        headers,
        timeout: TRY_MS,
      },
      (answer) => {
        answer.setEncoding('utf8');
        let text = '';
        answer.on('data', (chunk: string) => (text += chunk));
        answer.on('error', reject);
        answer.on('end', () => {
          const status = answer.statusCode ?? 0;
          if (status >= 200 && status < 300) {
            resolve(Number(answer.headers[SEQ_HEADER.toLowerCase()]));
          } else {
            reject(new Error(`${status} ${text.slice(0, 300)}`));
          }
        });
      },
    );
    // The socket's own timeout begins with its last byte; this is the try's.
    const timer = setTimeout(() => asked.destroy(new Error(`no answer within ${TRY_MS / 1000} s`)), TRY_MS);
    asked.on('error', reject);
    asked.on('close', () => clearTimeout(timer));
    asked.end(body);
  });
}

/**
 * Writers that save queries by the API, each every `everyMs` at most and at a node of its own as long as that answers;
 * what failed is sent again with the same command id, to the next node. `addresses` may grow meanwhile.
 */
export function startHttpWriters(count: number, everyMs: number, access: Access): Writers {
  const written: Written = { acknowledged: new Map(), failed: [], repeated: new Map(), slowest: 0 };
  const agent = new Agent({ keepAlive: true, ca: access.ca });
  const from = Date.now();
  const counts = Array.from({ length: count }, () => 0);
  const stalledMs = counts.map(() => 0);
  let ending = false;

  async function write(writer: number): Promise<void> {
    let at = writer;
    let seen = 0;
    for (let n = 0; !ending; n += 1) {
      if (written.acknowledged.size >= MOST_WRITES) {
        await sleep(100);
        continue;
      }
      const began = Date.now();
      const id = ulid(began, randomBytes(10));
      for (;;) {
        try {
          const address = access.addresses[at % access.addresses.length] ?? '';
          seen = await put(access, agent, { address, key: `w${writer}-${n % 7}`, id, seen, n });
          written.acknowledged.set(id, seen);
          break;
        } catch (error) {
          const why = (error as Error).message.replace(/\d{2,}/g, 'N').slice(0, 160);
          written.repeated.set(why, (written.repeated.get(why) ?? 0) + 1);
          if (Date.now() - began > LOST_MS) {
            throw new Error(`writer ${writer} has waited ${LOST_MS / 1000} s: ${(error as Error).message}`, {
              cause: error,
            });
          }
          at += 1;
          await sleep(100);
        }
      }
      const took = Date.now() - began;
      written.slowest = Math.max(written.slowest, took);
      if (took > FAILED_MS) {
        written.failed.push(`writer ${writer}: ${took} ms`);
      }
      counts[writer] = (counts[writer] ?? 0) + 1;
      if (took > STALL_MS) {
        stalledMs[writer] = (stalledMs[writer] ?? 0) + took;
      }
      await sleep(Math.max(0, everyMs - took));
    }
  }
  const writers = Promise.all(counts.map((_, w) => write(w)));
  // Reported by stop.
  writers.catch(() => undefined);
  return {
    written,
    async stop() {
      ending = true;
      const ms = Date.now() - from;
      const all = Math.min(...counts.map((n) => n / (ms / 1000)));
      const between = Math.min(...counts.map((n, writer) => n / ((ms - (stalledMs[writer] ?? 0)) / 1000)));
      await writers.finally(() => agent.destroy());
      const { acknowledged, failed, slowest, repeated } = written;
      return (
        `${acknowledged.size} acknowledged, ${all.toFixed(1)} a second by the slowest writer, ${between.toFixed(1)} ` +
        `outside of writes over a second, slowest write ${slowest} ms, ${failed.length} failed; repeated: ` +
        `${[...repeated].map(([why, n]) => `${n} × ${why}`).join(' | ')}`
      );
    },
  };
}

/**
 * The state's tables in the folder of one instance (`…/cloud/state/state`), each row as text; `_meta` says how far it
 * has come.
 */
function tablesIn(folder: string): Map<string, string[]> {
  const copy = mkdtempSync(join(tmpdir(), 'terrarium-database-'));
  try {
    // Without its -shm, which SQLite makes anew from the -wal.
    for (const file of ['state.db', 'state.db-wal']) {
      if (existsSync(join(folder, file))) {
        cpSync(join(folder, file), join(copy, file));
      }
    }
    const db = new Database(join(copy, 'state.db'));
    try {
      const names = db
        .prepare<[], { name: string }>(
          "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name " +
            "NOT LIKE '\\_%' ESCAPE '\\' ORDER BY name",
        )
        .all();
      const rows = new Map(
        names.map(({ name }) => [
          name,
          db
            .prepare(`SELECT * FROM "${name}"`)
            .all()
            .map((row) => JSON.stringify(row))
            .sort(),
        ]),
      );
      return rows.set('_meta', [JSON.stringify(db.prepare('SELECT epoch, position, chain FROM _meta').get())]);
    } finally {
      db.close();
    }
  } finally {
    rmSync(copy, { recursive: true });
  }
}

/** Waits until the databases have come equally far, and gives their tables. Call it when nobody writes. */
async function settledTables(folders: string[]): Promise<Map<string, string[]>[]> {
  const end = Date.now() + 90_000;
  for (;;) {
    const all = folders.map(tablesIn);
    if (Date.now() > end || all.every((tables) => tables.get('_meta')?.[0] === all[0]?.get('_meta')?.[0])) {
      return all;
    }
    await sleep(500);
  }
}

/**
 * Nothing acknowledged is lost or applied twice, and the databases are equal row by row. @param folders as of
 * `tablesIn`, by node
 */
export async function checkWritten(t: Test, folders: Record<string, string>, written: Written): Promise<void> {
  if (written.acknowledged.size > KEEP_AUDIT) {
    throw new Error(
      `${written.acknowledged.size} writes are more than the audit log keeps: it cannot tell whether one is lost`,
    );
  }
  const nodes = Object.keys(folders);
  const [first, ...others] = await settledTables(Object.values(folders));
  if (first === undefined) {
    throw new Error('no database');
  }
  for (const [i, other] of others.entries()) {
    t.strictSame([...other.keys()], [...first.keys()]);
    for (const [table, rows] of first) {
      const theirs = other.get(table) ?? [];
      const at = rows.findIndex((row, n) => row !== theirs[n]);
      t.ok(
        rows.length === theirs.length && at < 0,
        `${table} is the same on ${nodes[0]} and ${nodes[i + 1]}: ${rows.length} and ${theirs.length} ` +
          `rows${at < 0 ? '' : `, ${rows[at]} and ${theirs[at]}`}`,
      );
    }
  }
  const writes = (first.get('audit') ?? [])
    .map((row) => JSON.parse(row) as { id: string; position: number; outcome: string })
    .filter(({ outcome }) => outcome === 'ok');
  t.strictSame(
    misplaced(writes, written.acknowledged).slice(0, 5),
    [],
    `${written.acknowledged.size} acknowledged writes, each there once`,
  );
}

/**
 * While the writers write, `work`; then, when `settled`, nothing is lost, nothing is there twice, and the databases are
 * equal. How it went is a comment.
 * @param folders as of `tablesIn`, by node
 */
export async function underLoad(
  t: Test,
  { written, stop }: Writers,
  folders: Record<string, string>,
  work: () => Promise<void>,
  settled: () => Promise<void> = async () => undefined,
): Promise<Written> {
  await sleep(3_000);
  try {
    await work();
    await sleep(3_000);
  } finally {
    t.comment(await stop());
  }
  await settled();
  await checkWritten(t, folders, written);
  return written;
}
