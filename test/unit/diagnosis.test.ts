import t from 'tap';
import type { CloudInfo, Overview } from '../../src/api/overview.ts';
import type { SatelliteBrief } from '../../src/api/satellites.ts';
import { diagnose, duration } from '../../src/context/diagnosis.ts';
import type { PlaneHealth, Survey } from '../../src/context/survey.ts';
import type { NodeObject, PodObject } from '../../src/kube/types.ts';

const at = new Date('2026-11-21T12:00:00Z');
const before = (seconds: number): string => new Date(at.getTime() - seconds * 1000).toISOString();
const names = ['n1', 'n2', 'n3'];
const address = (name: string): string => `10.77.0.1${name.slice(1)}`;
const ok = { answers: true, ready: true };

function node(name: string, ready = true, seconds = 0): NodeObject {
  return {
    metadata: { name, labels: { 'node-role.kubernetes.io/control-plane': '' } },
    status: {
      addresses: [{ type: 'InternalIP', address: address(name) }],
      conditions: [
        {
          type: 'Ready',
          status: ready ? 'True' : 'Unknown',
          lastTransitionTime: before(seconds),
          message: ready ? 'ok' : 'Kubelet stopped posting node status.',
        },
      ],
      nodeInfo: { kubeletVersion: 'v1.36.3' },
    },
  };
}

function pod(name: string, on: string, ready = true): PodObject {
  return {
    metadata: { name, namespace: 'kube-system' },
    spec: { nodeName: on, hostNetwork: true },
    status: {
      phase: 'Running',
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False', message: 'it crashed' }],
    },
  };
}

function healthy(): Survey & { kubernetes: NonNullable<Survey['kubernetes']>; overview: Overview } {
  const nats = { role: 'follower' as const, peers: [], version: '2.15.2' };
  return {
    at,
    planes: names.map((name): PlaneHealth => ({ name, address: address(name), api: ok, console: ok })),
    kubernetes: {
      nodes: names.map((n) => node(n)),
      pods: names.map((n) => pod(`etcd-${n}`, n)),
      applications: { shop: 'https://10.77.0.11:9000\nhttps://10.77.0.12:9000' },
    },
    kubernetesError: undefined,
    overview: {
      cluster: { id: 'id', name: 'test', version: '0.1.0' },
      instance: 'n1',
      at: at.toISOString(),
      kubernetes: { reachable: true },
      nodes: [],
      pods: [],
      applications: [],
      clouds: names.map((name): CloudInfo => ({
        name,
        node: name,
        ready: true,
        state: 'healthy',
        version: '0.1.0',
        nats,
        lastSeen: before(1),
      })),
      satellites: {
        version: 1,
        counts: { healthy: 3, degraded: 0, unreachable: 0, enrolled: 0, revoked: 0 },
        concerns: [],
        missing: [],
      },
    },
    overviewError: undefined,
  };
}

function silent({ satellites }: Overview, brief: SatelliteBrief): void {
  satellites.counts.healthy -= 1;
  satellites.counts[brief.state] += 1;
  satellites.concerns.push(brief);
}

t.test('a healthy cluster has no problems', async (t) => {
  t.match(diagnose(healthy()), {
    healthy: true,
    reachable: true,
    problems: [],
    etcd: { ready: 3, members: 3 },
    applications: { shop: ['https://10.77.0.11:9000', 'https://10.77.0.12:9000'] },
  });
});

t.test('a machine without power is named once, and not again by what ran on it', async (t) => {
  const found = healthy();
  const dead = { answers: false, ready: false, why: 'no connection within 2 s' };
  found.planes[0] = { name: 'n1', address: address('n1'), api: dead, console: dead };
  found.kubernetes.nodes[0] = node('n1', false, 12);
  found.kubernetes.pods[0] = pod('etcd-n1', 'n1', false);
  Object.assign(found.overview.clouds[0] ?? {}, { state: 'unreachable' });
  silent(found.overview, { id: 'n1', node: 'n1', name: 'n1', state: 'unreachable', lastSeen: before(40) });
  const { problems, etcd } = diagnose(found);
  t.strictSame(problems, [
    'n1 (10.77.0.11): unreachable: API server and console do not answer (no connection within 2 s); Kubernetes ' +
      'says NotReady since 12 s (Kubelet stopped posting node status)',
  ]);
  t.strictSame(etcd, { ready: 2, members: 3 });
});

t.test('single parts are named with their machine', async (t) => {
  const found = healthy();
  Object.assign(found.planes[1] ?? {}, { api: { answers: true, ready: false, why: 'not ready: etcd' } });
  Object.assign(found.planes[2] ?? {}, {
    console: { answers: false, ready: false, why: 'the connection was refused' },
  });
  Object.assign(found.overview.clouds[2] ?? {}, { state: 'unreachable' });
  found.kubernetes.pods.push(pod('kube-scheduler-n1', 'n1', false));
  silent(found.overview, { id: 'n2', node: 'n2', name: 'n2', state: 'degraded', lastSeen: before(17) });
  t.strictSame(diagnose(found).problems, [
    'n2 (10.77.0.12): the API server is not ready: etcd',
    'n3 (10.77.0.13): the console does not answer: the connection was refused',
    'pod kube-system/kube-scheduler-n1 on n1 is not ready: it crashed',
    'satellite n2 is degraded: last heard 17 s ago',
  ]);
});

t.test('a warning is no problem, and not told of an instance that is not well anyway', async (t) => {
  const found = healthy();
  Object.assign(found.overview.clouds[0] ?? {}, { warning: 'Only 12 % are free.' });
  Object.assign(found.overview.clouds[1] ?? {}, {
    warning: 'Only 8 % are free.',
    state: 'not-ready',
    reason: 'The disk is full.',
  });
  t.match(diagnose(found), {
    healthy: false,
    warnings: ['cloud n1: Only 12 % are free'],
    problems: ['cloud n2 is not-ready: The disk is full'],
  });
  found.overview.clouds.splice(1, 1);
  t.match(diagnose(found), { healthy: true, problems: [] });
});

t.test('a node whose satellite never came', async (t) => {
  const found = healthy();
  found.overview.satellites.missing.push('n3');
  t.strictSame(diagnose(found).problems, ['n3 (10.77.0.13): no satellite of it is known to the cloud']);
});

t.test('of many satellites the worst are named and the others counted', async (t) => {
  const found = healthy();
  silent(found.overview, { id: 'far', node: 'far', name: 'far', state: 'unreachable', lastSeen: before(40) });
  found.overview.satellites.counts.degraded += 9;
  t.strictSame(diagnose(found).problems, [
    'satellite far is unreachable: last heard 40 s ago',
    '9 more satellites are not healthy; `terrarium get satellites` lists them',
  ]);
});

t.test('a finished job is no problem', async (t) => {
  const found = healthy();
  found.kubernetes.pods.push({ ...pod('job', 'n1', false), status: { phase: 'Succeeded' } });
  t.equal(diagnose(found).healthy, true);
});

t.test('nothing answers', async (t) => {
  const dead = { answers: false, ready: false, why: 'there is no route to it' };
  const state = diagnose({
    ...healthy(),
    planes: names.map((name) => ({ name, address: address(name), api: dead, console: dead })),
    kubernetes: undefined,
    overview: undefined,
  });
  t.match(state, { healthy: false, reachable: false });
  t.equal(state.problems.length, 5);
});

t.test('durations', async (t) => {
  t.strictSame([0, 119_000, 300_000, 7_200_000, 200_000_000].map(duration), ['0 s', '119 s', '5 min', '2 h', '2 d']);
});
