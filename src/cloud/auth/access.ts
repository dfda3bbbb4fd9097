import { SCOPES, type PasswordChange, type Role, type Scope } from '../../api/access.ts';

/** What each role may do. A viewer may not query: rows of processes and logs can hold secrets. */
const ROLE_SCOPES: Record<Role, readonly Scope[]> = {
  viewer: ['read'],
  operator: ['read', 'query', 'operate', 'metrics'],
  admin: SCOPES,
};

export const scopesOf = (role: Role): readonly Scope[] => ROLE_SCOPES[role];

/** Who sends a request, by session or by API token, and what he may do now. */
export interface Caller {
  user: string;
  role: Role;
  scopes: ReadonlySet<Scope>;
  /** As the audit log names him: a user's name, or `token/ID`. */
  actor: string;
  passwordChange: PasswordChange;
  /** Of a session: its id and when it ends, in milliseconds since 1970. */
  session?: { id: string; expiresAt: number };
  /** Of an API token: its id. */
  token?: string;
}
