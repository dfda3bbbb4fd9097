import { z } from 'zod';
import { details, resourceId, title, userName } from '../fields.ts';
import { defineCommand } from '../kind.ts';
import type { SavedQueryRow } from '../rows.ts';
import { viewQuery } from '../views.ts';

/** Creates or replaces. `details`: how to show it, its schedule. */
export const command = defineCommand({
  since: 1,
  args: z.strictObject({
    id: resourceId,
    owner: userName,
    name: title,
    sql: z
      .string()
      .min(1)
      .max(64 * 1024),
    details,
  }),
  apply(tx, { args, at }) {
    const before = tx.get<SavedQueryRow>('SELECT * FROM saved_queries WHERE id = ?', args.id);
    tx.run(
      `INSERT INTO saved_queries (id, owner, name, sql, details, updated_at, version) VALUES (?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT (id) DO UPDATE SET
        owner = excluded.owner, name = excluded.name, sql = excluded.sql, details = excluded.details,
        updated_at = excluded.updated_at, version = excluded.version`,
      args.id,
      args.owner,
      args.name,
      args.sql,
      JSON.stringify(args.details),
      at,
      tx.position,
    );
    return {
      changes: [
        {
          resource: `query/${args.id}`,
          before: viewQuery(before),
          after: viewQuery(tx.get<SavedQueryRow>('SELECT * FROM saved_queries WHERE id = ?', args.id)),
        },
      ],
    };
  },
});
