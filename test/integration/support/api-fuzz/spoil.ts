import type { Route } from '../../../../src/cloud/http/route.ts';
import type { Actor, Sent } from './client.ts';
import { build, type Input } from './inputs.ts';

const NASTY: unknown[] = [
  null,
  '',
  -1,
  0,
  1e308,
  -1e308,
  true,
  {},
  [],
  [[[[]]]],
  'x'.repeat(5000),
  '\u0000',
  '\ud800',
  '../../etc/passwd',
  "'; DROP TABLE users; --",
  '${7*7}',
  { __proto__: { admin: true } },
  Number.MAX_SAFE_INTEGER,
  1.5,
  '💥'.repeat(50),
];
const PATHS = [
  '%zz',
  '%00',
  '..%2f..%2fetc',
  '%2e%2e',
  '%ff%fe',
  'a'.repeat(3000),
  '%F0%9F%92%A5',
  ';x=1',
  '%250a',
  "'--",
];
const HEADERS: Record<string, string>[] = [
  { 'terrarium-min-seq': 'x' },
  { 'terrarium-min-seq': '99999999999999' },
  { 'if-match': '*' },
  { 'if-match': '"x"' },
  { 'if-match': '"999999"' },
  { 'terrarium-command-id': 'x' },
  { 'content-type': 'text/plain' },
  { 'content-type': 'application/json; charset=utf-16' },
  { authorization: 'Basic x' },
  { authorization: 'Bearer trr_' },
  { authorization: 'Bearer trs_x' },
  { 'last-event-id': 'x' },
  { accept: 'text/html' },
  { cookie: '__Host-terrarium=x' },
  { 'content-encoding': 'gzip' },
];

/** How an input is spoilt; `refused`: it must not be carried out. */
export interface Spoilt {
  sent: Sent;
  refused: boolean;
}

/** @param n chooses how it is spoilt */
export function spoil(route: Route, input: Input, actor: Actor, n: number): Spoilt {
  const sent = build(route, input, actor);
  // The way goes by n; what is taken for it must not go the same pace.
  const pick = <T>(list: readonly T[]): T => list[Math.floor(n / ways.length) % list.length] as T;
  const body =
    typeof input.body === 'object' && input.body !== null ? (input.body as Record<string, unknown>) : undefined;
  const withBody = (value: unknown): Sent => ({
    ...sent,
    body: typeof value === 'string' ? value : (JSON.stringify(value) ?? ''),
    headers: { ...sent.headers, 'content-type': 'application/json' },
  });
  const ways: (() => Spoilt)[] = [
    () => ({ sent: { ...sent, headers: { ...sent.headers, ...pick(HEADERS) } }, refused: false }),
    () => ({
      sent: { ...sent, path: `${sent.path}${sent.path.includes('?') ? '&' : '?'}unknown=${n}` },
      refused: route.path.startsWith('/api'),
    }),
    () => ({
      sent: { ...sent, path: `${sent.path}${sent.path.includes('?') ? '&' : '?'}limit=1&limit=2&cursor=%00` },
      refused: route.path.startsWith('/api'),
    }),
    ...(route.path.includes('{')
      ? [(): Spoilt => ({ sent: { ...sent, path: route.path.replace(/\{\w+\}/, pick(PATHS)) }, refused: false })]
      : []),
    ...(body === undefined || route.body === undefined
      ? []
      : [
          (): Spoilt => ({ sent: withBody({ ...body, unknown: pick(NASTY) }), refused: true }),
          (): Spoilt => ({
            sent: withBody({ ...body, [pick([...Object.keys(body), 'a'])]: NASTY[(n * 7) % NASTY.length] }),
            refused: false,
          }),
          (): Spoilt => ({ sent: withBody(Object.fromEntries(Object.entries(body).slice(1))), refused: false }),
          (): Spoilt => ({ sent: withBody(pick(NASTY) ?? 'null'), refused: false }),
          (): Spoilt => ({ sent: withBody(JSON.stringify(body).slice(0, -1 - (n % 5))), refused: true }),
          (): Spoilt => ({
            sent: withBody(n % 100 === 9 ? `{"a":"${'x'.repeat(1_100_000)}"}` : '['.repeat(5000)),
            refused: true,
          }),
        ]),
  ];
  return (ways[n % ways.length] as () => Spoilt)();
}
