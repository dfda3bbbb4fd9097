import t from 'tap';
import {
  EventFilter,
  eventRow,
  podRow,
  type EventObject,
  type PodDetails,
} from '../../src/satellite/collector/kubernetes.ts';

const NOW = Date.parse('2026-11-21T12:00:00Z');
const DAY = 86_400_000;

function event(uid: string, of: EventObject['involvedObject'], more: Partial<EventObject> = {}): EventObject {
  return {
    metadata: { name: uid, uid },
    involvedObject: of,
    type: 'Normal',
    reason: 'Pulled',
    message: 'x',
    count: 1,
    lastTimestamp: '2026-11-21T11:59:00Z',
    ...more,
  };
}

t.test('a pod', async (t) => {
  const pod: PodDetails = {
    metadata: {
      name: 'db-0',
      namespace: 'shop',
      uid: 'u1',
      creationTimestamp: '2026-11-21T10:00:00Z',
      labels: { app: 'db' },
      ownerReferences: [
        { kind: 'Other', name: 'x' },
        { kind: 'StatefulSet', name: 'db', controller: true },
      ],
    },
    spec: {
      nodeName: 'n1',
      hostNetwork: true,
      containers: [
        { name: 'a', image: 'a:1' },
        { name: 'b', image: 'b:2' },
      ],
    },
    status: {
      phase: 'Running',
      podIP: '10.0.0.11',
      startTime: '2026-11-21T10:00:01Z',
      conditions: [{ type: 'Ready', status: 'False' }],
      containerStatuses: [
        { name: 'a', ready: true, restartCount: 0, state: {} },
        { name: 'b', ready: false, restartCount: 7, state: { waiting: { reason: 'CrashLoopBackOff' } } },
      ],
    },
  };
  t.strictSame(podRow(pod), {
    namespace: 'shop',
    name: 'db-0',
    uid: 'u1',
    phase: 'Running',
    reason: 'CrashLoopBackOff',
    ready: 0,
    containers: 2,
    ready_containers: 1,
    restarts: 7,
    owner: 'StatefulSet/db',
    host_network: 1,
    ip: '10.0.0.11',
    images: 'a:1 b:2',
    labels: '{"app":"db"}',
    created_at: '2026-11-21T10:00:00Z',
    started_at: '2026-11-21T10:00:01Z',
  });
  t.match(podRow({ metadata: { name: 'new', namespace: 'x' } }), {
    phase: null,
    ready: 0,
    containers: 0,
    owner: null,
    reason: null,
  });
});

t.test('an event says when by the newest of its times', async (t) => {
  const of = { kind: 'Node', name: 'n1' };
  t.match(eventRow(event('e', of)), { unix_ms: Date.parse('2026-11-21T11:59:00Z'), count: 1, namespace: '' });
  t.match(
    eventRow(
      event('e', of, {
        lastTimestamp: null,
        eventTime: '2026-11-21T11:00:00.123456Z',
        reportingComponent: 'scheduler',
      }),
    ),
    { unix_ms: Date.parse('2026-11-21T11:00:00.123Z'), source: 'scheduler' },
  );
  t.match(eventRow(event('e', of, { series: { count: 9, lastObservedTime: '2026-11-21T11:59:30Z' } })), {
    unix_ms: Date.parse('2026-11-21T11:59:30Z'),
    count: 9,
  });
  t.equal(eventRow(event('e', of, { lastTimestamp: null })), undefined);
});

t.test('only events of this node and its pods, each occurrence once', async (t) => {
  let now = NOW;
  const filter = new EventFilter(
    'n1',
    [{ uid: 'known', count: 2, unix_ms: Date.parse('2026-11-21T11:59:00Z') }],
    DAY,
    () => now,
  );
  const uids = (rows: { uid?: unknown }[]): unknown[] => rows.map((r) => r.uid);
  t.strictSame(filter.take(event('other-node', { kind: 'Node', name: 'n2' })), []);
  t.strictSame(uids(filter.take(event('own-node', { kind: 'Node', name: 'n1' }))), ['own-node']);
  t.strictSame(
    uids(filter.take(event('from-here', { kind: 'Pod', uid: 'px' }, { source: { component: 'kubelet', host: 'n1' } }))),
    ['from-here'],
  );
  t.strictSame(filter.take(event('scheduled', { kind: 'Pod', uid: 'p1' })), [], 'the pod is not known yet');
  t.strictSame(uids(filter.pods(new Set(['p1']))), ['scheduled'], 'and now it is');
  t.strictSame(filter.take(event('scheduled', { kind: 'Pod', uid: 'p1' })), [], 'told again after a new list');
  t.strictSame(
    uids(filter.take(event('scheduled', { kind: 'Pod', uid: 'p1' }, { count: 2 }))),
    ['scheduled'],
    'occurred again',
  );
  t.strictSame(
    filter.take(event('known', { kind: 'Pod', uid: 'p1' }, { count: 2 })),
    [],
    'stored by an earlier process',
  );
  t.strictSame(
    filter.take(event('old', { kind: 'Pod', uid: 'p1' }, { lastTimestamp: '2026-11-19T00:00:00Z' })),
    [],
    'too old to be kept',
  );
  filter.pods(new Set());
  t.strictSame(uids(filter.take(event('killing', { kind: 'Pod', uid: 'p1' }))), ['killing'], 'just after its end');
  t.strictSame(filter.take(event('elsewhere', { kind: 'Pod', uid: 'p2' })), []);
  now += 120_000;
  t.strictSame(filter.pods(new Set(['p2'])), [], 'nobody waits for ever');
  t.strictSame(filter.take(event('late', { kind: 'Pod', uid: 'p1' })), []);
});
