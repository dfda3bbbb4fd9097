import t from 'tap';
import { tagOptions } from '../../src/cli/tag-options.ts';
import { compare } from '../../src/cloud/satellites-states.ts';
import type { HeardSatellite } from '../../src/cloud/satellites.ts';

const at = '2026-11-21T12:00:00.000Z';
const heard = (id: string, state: HeardSatellite['state']): HeardSatellite => ({
  id,
  node: id,
  state,
  version: '',
  addresses: [],
  tables: [],
  load: [0, 0, 0],
  startedAt: at,
  firstSeen: at,
  lastSeen: at,
});

t.test('what differs from the state is told; silence only by who has listened for long', async (t) => {
  const all = [
    heard('a', 'healthy'),
    heard('b', 'unreachable'),
    heard('c', 'degraded'),
    heard('d', 'healthy'),
    heard('e', 'healthy'),
  ];
  const known = new Map([
    ['a', 'unreachable'],
    ['b', 'healthy'],
    ['c', 'degraded'],
    ['d', 'revoked'],
  ] as const);
  const told = (long: boolean): ReturnType<typeof compare> =>
    compare(all, (id) => (known as ReadonlyMap<string, HeardSatellite['state'] | 'revoked'>).get(id), long);
  t.same(told(true).differing, [
    { id: 'a', state: 'healthy', reason: 'heard' },
    { id: 'b', state: 'unreachable', reason: `last heard at ${at}` },
    { id: 'e', state: 'healthy', reason: 'heard' },
  ]);
  t.same(told(true).agreed, ['c', 'd']);
  t.same(
    told(false).differing.map((c) => c.id),
    ['a', 'e'],
    'and the others are looked at again',
  );
  t.same(told(false).agreed, ['c', 'd']);
});

t.test('tags as they are written', async (t) => {
  t.same(tagOptions(['a=1', 'b=x=y', 'c=']), { a: '1', b: 'x=y', c: '' });
  t.same(tagOptions(undefined), {});
  for (const bad of [['a'], ['=1'], ['a=1', 'a=2']]) {
    t.throws(() => tagOptions(bad), { code: 'usage' });
  }
});
