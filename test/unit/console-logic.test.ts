import t from 'tap';
import type { Overview } from '../../src/api/overview.ts';
import { tablesOf } from '../../src/cloud/satellites-tables.ts';
import { concernsOf } from '../../src/console/logic/attention.ts';
import { changeKind, fieldChanges } from '../../src/console/logic/audit-diff.ts';
import { enrolCommand, parseTags, tagText } from '../../src/console/logic/enrolment.ts';
import { addressOf, placeOf } from '../../src/console/logic/location.ts';
import { messageOf, sentenceOf } from '../../src/console/logic/problem.ts';
import { asOfNow, keepUp } from '../../src/console/logic/satellite-list.ts';
import { filterSchema, insertWord } from '../../src/console/logic/schema-tree.ts';

t.test('addresses of the console lead where they were made for', async (t) => {
  t.same(placeOf(''), { page: 'overview', params: {} });
  t.same(placeOf('#main'), { page: 'overview', params: {} });
  t.same(placeOf('#/nowhere/x'), { page: 'overview', key: 'x', params: {} });
  t.same(placeOf(addressOf('satellites', 'a.b-c')), { page: 'satellites', key: 'a.b-c', params: {} });
  t.same(placeOf(addressOf('satellites', 'a/b%?')), { page: 'satellites', key: 'a/b%?', params: {} });
  t.same(placeOf(addressOf('query', undefined, { satellite: 'n1', sql: 'select 1 & 2 -- 100%?' })), {
    page: 'query',
    params: { satellite: 'n1', sql: 'select 1 & 2 -- 100%?' },
  });
  t.same(
    placeOf('#/satellites/%E0%A4%A'),
    { page: 'satellites', key: '%E0%A4%A', params: {} },
    'what cannot be decoded is taken as it is',
  );
});

t.test('an error is one sentence', async (t) => {
  const problem = { type: 'urn:terrarium:problem:invalid-body', title: 'The request is not valid.', status: 400 };
  t.equal(sentenceOf({ ...problem, title: 'There is a user eva already.' }), 'There is a user eva already.');
  t.equal(
    sentenceOf({ ...problem, errors: [{ path: 'password', message: 'Too small: expected 12 characters' }] }),
    'The request is not valid; password: too small: expected 12 characters.',
  );
  t.equal(
    sentenceOf({ ...problem, errors: [{ path: '', message: 'Give either a password, or role or disabled.' }] }),
    'The request is not valid: give either a password, or role or disabled.',
  );
  t.match(messageOf({}), /Load it again/);
});

/** An overview without a problem. */
const WELL: Overview = {
  cluster: { id: 'c', name: 'c', version: '1' },
  instance: 'n1',
  at: '',
  kubernetes: { reachable: true },
  nodes: [],
  clouds: [],
  applications: [],
  pods: [{ namespace: 'd', name: 'job', node: 'n1', phase: 'Succeeded', ready: false, hostNetwork: true, restarts: 0 }],
  satellites: {
    version: 1,
    counts: { healthy: 3, degraded: 0, unreachable: 0, enrolled: 1, revoked: 1 },
    concerns: [],
    missing: [],
  },
};

t.test('what needs attention, the worst first', async (t) => {
  t.same(concernsOf(WELL), []);
  const ill = concernsOf({
    ...WELL,
    kubernetes: { reachable: false, error: 'refused' },
    nodes: [
      {
        name: 'n2',
        address: '',
        role: 'worker',
        ready: false,
        reason: 'the kubelet is silent',
        version: '',
        createdAt: '',
      },
    ],
    clouds: [
      {
        name: 'c1',
        node: 'n1',
        ready: false,
        state: 'not-ready',
        version: '',
        nats: { role: 'none', peers: [], version: '' },
        lastSeen: '',
      },
    ],
    pods: [{ ...WELL.pods[0]!, phase: 'Pending' }],
  });
  t.same(
    ill.map((c) => c.tone),
    ['bad', 'warn', 'warn', 'warn'],
  );
  t.equal(ill[0]?.text, 'Node n2 is not ready: the kubelet is silent');
  t.equal(ill.at(-1)?.text, 'One pod is not ready');
  const warned = concernsOf({
    ...WELL,
    clouds: [
      {
        name: 'c1',
        node: 'n1',
        ready: true,
        state: 'healthy',
        warning: 'Only 12 % are free.',
        version: '',
        nats: { role: 'leader', peers: [], version: '' },
        lastSeen: '',
      },
    ],
  });
  t.same(warned, [{ tone: 'warn', text: 'The cloud on n1: Only 12 % are free.' }]);
  const many = concernsOf({
    ...WELL,
    satellites: {
      ...WELL.satellites,
      counts: { ...WELL.satellites.counts, unreachable: 7, degraded: 1 },
      concerns: [{ id: 'a', node: 'a', name: 'a', state: 'unreachable', lastSeen: '' }],
    },
  });
  t.same(
    many.map((c) => c.text),
    ['Satellite a is unreachable', '7 more satellites are not healthy'],
  );
});

t.test('before and after of the audit log', async (t) => {
  t.same(
    fieldChanges(
      { role: 'viewer', disabled: false, passwordAt: 1_700_000_000_000 },
      { role: 'admin', disabled: false, passwordAt: 1_700_000_000_000 },
    ),
    [{ field: 'role', before: 'viewer', after: 'admin' }],
  );
  t.same(fieldChanges(null, { name: 'x', expiresAt: 1_700_000_000_000 }), [
    { field: 'name', before: '–', after: 'x' },
    { field: 'expiresAt', before: '–', after: '2023-11-14T22:13:20.000Z' },
  ]);
  t.same(fieldChanges({ tags: { a: '1' } }, null), [{ field: 'tags', before: '{"a":"1"}', after: '–' }]);
  t.same(fieldChanges(null, 3), [{ field: '', before: '–', after: '3' }]);
  t.same([changeKind(null, {}), changeKind({}, {}), changeKind({}, null)], ['created', 'changed', 'deleted']);
});

t.test('the command line of an enrolment, and tags', async (t) => {
  t.equal(
    enrolCommand({ addresses: ['10.0.0.1:8443', '10.0.0.2:8443'], token: 'tre_1_x', caHash: 'sha256:00' }),
    'echo tre_1_x | sudo terrarium satellite install 10.0.0.1:8443,10.0.0.2:8443 --ca-hash sha256:00',
  );
  t.same(parseTags(' place=cellar,role=a=b\nfast '), { place: 'cellar', role: 'a=b', fast: '' });
  t.throws(() => parseTags('=x'), /is no tag/);
  t.same(tagText({ place: 'cellar', fast: '' }), ['place=cellar', 'fast']);
});

t.test('the schema of the chosen satellites', async (t) => {
  const [first, second] = [
    [
      { name: 'b', columns: ['x'] },
      { name: 'a', columns: ['y'] },
    ],
    [{ name: 'b', columns: ['x', 'z'] }],
  ];
  const tables = tablesOf([first, second]);
  t.same(
    tablesOf([second, first, first]).map((f) => [f.name, f.on]),
    [
      ['a', 2],
      ['b', 3],
    ],
  );
  t.same(tables, [
    { name: 'a', columns: ['y'], on: 1 },
    { name: 'b', columns: ['x', 'z'], on: 2 },
  ]);
  t.same(
    filterSchema(tables, 'Z').map((f) => [f.name, f.columns]),
    [['b', ['z']]],
  );
  t.same(
    filterSchema(tables, 'a').map((f) => f.name),
    ['a'],
  );
  t.same(filterSchema(tables, '').length, 2);
});

t.test('a name is put into a statement with the blanks that it needs', async (t) => {
  t.same(insertWord('', 0, 0, 'pid'), { text: 'pid', caret: 3 });
  t.same(insertWord('select', 6, 6, 'pid'), { text: 'select pid', caret: 10 });
  t.same(insertWord('select from t', 7, 7, 'pid'), { text: 'select pid from t', caret: 10 });
  t.same(insertWord('max(x)', 4, 5, 'pid'), { text: 'max(pid)', caret: 7 });
});

t.test('what is told of satellites is taken into those that are shown', async (t) => {
  const of = (id: string) => ({
    id,
    node: id,
    name: id,
    tags: {},
    access: 'both' as const,
    revision: 1,
    state: 'healthy' as const,
    version: '1',
    addresses: [],
    tables: [{ name: 'x', columns: [] }],
    load: [1, 0, 0] as [number, number, number],
    startedAt: '',
    firstSeen: '',
    lastSeen: '1',
  });
  const read = [of('a'), of('b')];
  const shown = new Set(['a', 'b']);
  const line = { version: 2, gone: [], many: false };
  const first = keepUp(new Map(), shown, {
    ...line,
    items: [],
    beats: [
      { id: 'a', lastSeen: '2', load: [2, 0, 0] },
      { id: 'c', lastSeen: '2', load: [2, 0, 0] },
    ],
  });
  t.match(asOfNow(read, first), [
    { id: 'a', lastSeen: '2', load: [2, 0, 0], state: 'healthy' },
    { id: 'b', lastSeen: '1' },
  ]);
  const second = keepUp(first, shown, { ...line, items: [{ ...of('b'), state: 'revoked', tables: [] }], beats: [] });
  t.match(asOfNow(read, second), [
    { id: 'a', lastSeen: '2' },
    { id: 'b', state: 'revoked', tables: [{ name: 'x' }] },
  ]);
  t.equal(asOfNow(read, second).length, 2);
});
