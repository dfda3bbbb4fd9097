import type { Change, Tx } from './kind.ts';
import type { TokenRow } from './rows.ts';
import { viewToken } from './views.ts';

/** Schema from which on there are sessions. */
const SESSIONS_SCHEMA = 2;

interface Session {
  id: string;
  user: string;
}

export const endedSession = ({ id, user }: Session): Change => ({
  resource: `session/${id}`,
  before: { user },
  after: null,
});

/**
 * Tokens and sessions that end with what a command does to their user, by a cascade or a trigger; to be called before
 * it.
 * @returns what says afterwards which have ended, for the command's changes
 */
export function watchAccess(tx: Tx, user: string): () => Change[] {
  const held = (): Change[] => [
    ...tx
      .all<TokenRow>('SELECT * FROM tokens WHERE owner = ? ORDER BY id', user)
      .map((row): Change => ({ resource: `token/${row.id}`, before: viewToken(row), after: null })),
    ...(tx.schema < SESSIONS_SCHEMA
      ? []
      : tx.all<Session>('SELECT id, user FROM sessions WHERE user = ? ORDER BY id', user).map(endedSession)),
  ];
  const before = held();
  return () => {
    const left = new Set(held().map(({ resource }) => resource));
    return before.filter(({ resource }) => !left.has(resource));
  };
}
