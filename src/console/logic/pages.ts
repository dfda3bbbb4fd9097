import { may, type Me } from './access.ts';
import type { PageName } from './location.ts';

/** Names of the pages for people. */
export const TITLES: Record<PageName, string> = {
  overview: 'Overview',
  satellites: 'Satellites',
  query: 'Query',
  schedules: 'Schedules',
  users: 'Users',
  tokens: 'API tokens',
  enrolment: 'Enrolment',
  audit: 'Audit log',
  account: 'Account',
};
/** The pages as the menu shows them. */
export const GROUPS: { name: string; pages: PageName[] }[] = [
  { name: 'Fleet', pages: ['overview', 'satellites', 'query', 'schedules'] },
  { name: 'Access', pages: ['enrolment', 'tokens', 'users', 'audit'] },
];

/** Which pages answer anything to somebody; the others are not shown. */
export function allowed(me: Me, page: PageName): boolean {
  if (page === 'query') {
    return may(me, 'query');
  }
  if (page === 'enrolment') {
    return may(me, 'operate');
  }
  if (page === 'users' || page === 'audit') {
    return may(me, 'admin');
  }
  return true;
}
