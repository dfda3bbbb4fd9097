import { z } from 'zod';
import { time } from '../fields.ts';
import { defineCommand } from '../kind.ts';

/**
 * Logins by one name from one address that were refused, for the audit log; nothing of them is judged by it. Of more
 * than are told one by one, name and address are `*`; the name is `(no user name)` where it can be none.
 */
export const command = defineCommand({
  since: 6,
  args: z.strictObject({
    user: z.string().min(1).max(64),
    address: z.string().min(1).max(64),
    count: z.int().positive(),
    first: time,
    last: time,
  }),
  apply: (_, { args: { user, address, count, first, last } }) => ({
    changes: [
      {
        resource: `user/${user}`,
        before: {},
        after: {
          failedLogins: count,
          from: address,
          first: new Date(first).toISOString(),
          last: new Date(last).toISOString(),
        },
      },
    ],
  }),
});
