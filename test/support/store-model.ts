import type { Store } from '../../src/store/database.ts';
import type { Outcome, Result } from '../../src/store/machine/types.ts';
import type { Draft } from '../../src/store/replica.ts';
import { contents } from './store-temp.ts';

/** A second implementation of what the commands do, by plain objects. */
class Model {
  queries = new Map<string, { name: string; version: number }>();
  users = new Map<string, number>();

  apply(position: number, draft: Draft): Result {
    const args = draft.args as { id: string; name: string };
    if (draft.expect !== undefined) {
      const version = this.queries.get(draft.expect.resource.slice('query/'.length))?.version ?? 0;
      if (version !== draft.expect.version) {
        return { ok: false, code: 'version-conflict', message: '' };
      }
    }
    switch (draft.kind) {
      case 'query.put':
        this.queries.set(args.id, { name: args.name, version: position });
        return { ok: true };
      case 'query.stamp': {
        const query = this.queries.get(args.id);
        if (query !== undefined) {
          query.version = position;
        }
        return { ok: true };
      }
      case 'query.delete':
        return this.queries.delete(args.id) ? { ok: true } : { ok: false, code: 'not-found', message: '' };
      case 'user.create':
        if (this.users.has(args.name)) {
          return { ok: false, code: 'exists', message: '' };
        }
        this.users.set(args.name, position);
        return { ok: true };
      default:
        if (!this.users.has(args.name)) {
          return { ok: false, code: 'not-found', message: '' };
        }
        if (this.users.size === 1) {
          return { ok: false, code: 'denied', message: '' };
        }
        this.users.delete(args.name);
        return { ok: true };
    }
  }
}

function short(result: Result | undefined): string {
  if (result === undefined) {
    return 'nothing';
  }
  return result.ok ? 'ok' : result.code;
}

/** The findings about the databases that instances are left with. */
export interface Verdict {
  /** Commands of the newer release that were carried out. */
  stamps: number;
  failures: string[];
}

function judgeTables(db: Store, model: Model): string[] {
  const queries = db
    .prepare<[], { id: string; name: string; version: number }>(
      'SELECT id, name, version FROM saved_queries ORDER BY id',
    )
    .all();
  const users = db
    .prepare<[], { name: string; version: number }>('SELECT name, version FROM users ORDER BY name')
    .all();
  const modelled = {
    queries: [...model.queries].map(([id, q]) => ({ id, ...q })).sort((a, b) => (a.id < b.id ? -1 : 1)),
    users: [...model.users].map(([name, version]) => ({ name, version })).sort((a, b) => (a.name < b.name ? -1 : 1)),
  };
  return JSON.stringify({ queries, users }) === JSON.stringify(modelled)
    ? []
    : [`the tables are ${JSON.stringify({ queries, users })}, the model's ${JSON.stringify(modelled)}`];
}

/** Compares instances with each other, with what was answered, and with the model. */
export function judge(
  instances: { name: string; db: Store }[],
  drafts: ReadonlyMap<string, Draft>,
  acknowledged: ReadonlyMap<string, Outcome>,
): Verdict {
  const verdict: Verdict = { stamps: 0, failures: [] };
  const { failures } = verdict;
  const [first, ...others] = instances.map(({ name, db }) => ({ name, db, rows: contents(db) }));
  if (first === undefined) {
    return verdict;
  }
  for (const other of others) {
    for (const [table, rows] of Object.entries(first.rows)) {
      if (JSON.stringify(rows) !== JSON.stringify(other.rows[table])) {
        failures.push(`${table} differs on ${first.name} and ${other.name}`);
      }
    }
  }
  const model = new Model();
  const seen = new Set<string>();
  for (const { position, id, outcome } of first.db
    .prepare<[], { position: number; id: string; outcome: string }>(
      'SELECT position, id, outcome FROM audit ORDER BY position',
    )
    .all()) {
    const draft = drafts.get(id);
    if (draft === undefined) {
      continue;
    }
    if (seen.has(id)) {
      failures.push(`${id} was applied twice`);
    }
    seen.add(id);
    const expected = outcome === 'not-active' ? 'not-active' : short(model.apply(position, draft));
    if (expected !== outcome) {
      failures.push(`position ${position}, ${draft.kind}: ${outcome}, the model says ${expected}`);
    }
    if (draft.kind === 'query.stamp' && outcome === 'ok') {
      verdict.stamps += 1;
    }
    const answer = acknowledged.get(id);
    if (answer !== undefined && (answer.position !== position || short(answer.result) !== outcome)) {
      failures.push(`${id} was answered ${answer.position} ${short(answer.result)} and is at ${position} ${outcome}`);
    }
  }
  for (const [id, outcome] of acknowledged) {
    // Before the first schema is active there is no audit row.
    const early = !outcome.result.ok && outcome.result.code === 'not-active';
    if (!seen.has(id) && !early) {
      failures.push(`${id} was acknowledged at ${outcome.position} and is lost`);
    }
  }
  failures.push(...judgeTables(first.db, model));
  return verdict;
}
