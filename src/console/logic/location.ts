export const PAGES = [
  'overview',
  'satellites',
  'query',
  'schedules',
  'users',
  'tokens',
  'enrolment',
  'audit',
  'account',
] as const;
export type PageName = (typeof PAGES)[number];

/** Where in the console: its page, the thing that it is about, and what else the address says. */
export interface Place {
  page: PageName;
  key?: string;
  params: Record<string, string>;
}

/** Reads an address such as `#/satellites/n1` or `#/query?satellite=n1`; anything else is the overview. */
export function placeOf(hash: string): Place {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  const [name = '', key] = path.split('/', 2).map(decoded);
  const page = PAGES.find((p) => p === name) ?? 'overview';
  return {
    page,
    params: Object.fromEntries(new URLSearchParams(query)),
    ...(key === undefined || key === '' ? {} : { key }),
  };
}

export function addressOf(page: PageName, key?: string, params: Record<string, string> = {}): string {
  const query = new URLSearchParams(params).toString();
  return `#/${page}${key === undefined ? '' : `/${encodeURIComponent(key)}`}${query === '' ? '' : `?${query}`}`;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
