import { z } from 'zod';
import { watchAccess } from '../ended-access.ts';
import { resourceId, secretHash, time, title, userName } from '../fields.ts';
import { defineCommand, type Change } from '../kind.ts';
import type { TokenRow, UserRow } from '../rows.ts';
import { viewToken, viewUser } from '../views.ts';

/**
 * An administrator as the cluster's Secret has it: the first user, with the command line's token; later the way back in
 * for somebody who is root on a node. `at` is when its password was set, 0 for the first one. It is taken only where
 * there is no user at all, or where it is newer than the user's own password and than what was taken before. So any
 * number of instances may propose it, at any time, also an old one of it.
 */
export const command = defineCommand({
  since: 2,
  args: z.strictObject({
    name: userName,
    passwordHash: z.string().min(1).max(512),
    at: time,
    token: z.strictObject({
      id: resourceId,
      name: title,
      hash: secretHash,
      scope: z.array(z.string().min(1).max(100)).max(50),
      expiresAt: time,
    }),
  }),
  apply(tx, { args, at }) {
    const changes: Change[] = [];
    const first = tx.get('SELECT 1 FROM users') === undefined;
    const before = tx.get<UserRow>('SELECT * FROM users WHERE name = ?', args.name);
    const taken = tx.get<{ at: number }>('SELECT at FROM recoveries WHERE user = ?', args.name)?.at ?? 0;
    if (!first && args.at <= Math.max(taken, before?.password_at ?? 0)) {
      return { value: false, changes };
    }
    const passwordAt = args.at === 0 ? at : args.at;
    const ended = watchAccess(tx, args.name);
    tx.run(
      `INSERT INTO users (name, role, password_hash, must_change, disabled, created_at, password_at, version)
      VALUES (?, 'admin', ?, 0, 0, ?, ?, ?)
      ON CONFLICT (name) DO UPDATE SET
        role = 'admin', password_hash = excluded.password_hash, must_change = 0, disabled = 0,
        password_at = excluded.password_at, version = excluded.version`,
      args.name,
      args.passwordHash,
      passwordAt,
      passwordAt,
      tx.position,
    );
    tx.run(
      'INSERT INTO recoveries (user, at) VALUES (?, ?) ON CONFLICT (user) DO UPDATE SET at = excluded.at',
      args.name,
      args.at,
    );
    changes.push(
      {
        resource: `user/${args.name}`,
        before: viewUser(before),
        after: viewUser(tx.get<UserRow>('SELECT * FROM users WHERE name = ?', args.name)),
      },
      ...ended(),
    );
    if (first) {
      const { id, name, hash, scope, expiresAt } = args.token;
      tx.run(
        'INSERT INTO tokens (id, owner, name, hash, scope, created_at, expires_at, version) VALUES (?, ?, ?, ?, ?, ' +
          '?, ?, ?)',
        id,
        args.name,
        name,
        hash,
        JSON.stringify(scope),
        at,
        expiresAt,
        tx.position,
      );
      changes.push({
        resource: `token/${id}`,
        before: null,
        after: viewToken(tx.get<TokenRow>('SELECT * FROM tokens WHERE id = ?', id)),
      });
    }
    return { value: true, changes };
  },
});
