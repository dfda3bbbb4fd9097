import type { Role, Scope } from '../../api/access.ts';

/** Who is logged in, and what he may do. */
export interface Me {
  user: string;
  role: Role;
  scopes: readonly Scope[];
}

export const may = (me: Me, scope: Scope): boolean => me.scopes.includes(scope);

export const SCOPE_MEANING: Record<Scope, string> = {
  read: 'look at health, satellites and saved queries',
  query: 'run queries, save and schedule them',
  operate: 'revoke satellites, make enrolment tokens',
  admin: 'manage users, sessions and others’ tokens, read the audit log',
  metrics: 'read the metrics',
};

export const ROLE_MEANING: Record<Role, string> = {
  viewer: 'looks at health and satellites',
  operator: 'also queries, revokes and enrols satellites',
  admin: 'also manages users and reads the audit log',
};
