import { z } from 'zod';
import { defineCommand, type CommandKind, type Kinds, type Migration } from '../../src/store/kind.ts';

/** A release: the kinds and the schema that it knows. */
export interface Release {
  kinds: Kinds;
  schema: Migration[];
}

/** A release and its next neighbour, which brings a column, a table and a kind of command for them. */
export function neighbours(kinds: Kinds, schema: Migration[]): [Release, Release] {
  const newest = (schema.at(-1)?.version ?? 0) + 1;
  const stamp = defineCommand({
    since: newest,
    args: z.strictObject({ id: z.string(), stamp: z.string() }),
    apply(tx, { args }) {
      tx.run('UPDATE saved_queries SET stamp = ?, version = ? WHERE id = ?', args.stamp, tx.position, args.id);
      tx.run('INSERT INTO stamps (id, stamp) VALUES (?, ?)', tx.position, args.stamp);
      return { changes: [{ resource: `query/${args.id}`, before: null, after: args.stamp }] };
    },
  });
  const next = {
    version: newest,
    sql:
      "ALTER TABLE saved_queries ADD COLUMN stamp TEXT NOT NULL DEFAULT ''; CREATE TABLE stamps (id INTEGER PRIMARY " +
      'KEY, stamp TEXT NOT NULL) STRICT;',
  };
  return [
    { kinds, schema },
    { kinds: new Map([...kinds, ['query.stamp', stamp as CommandKind<unknown>]]), schema: [...schema, next] },
  ];
}
