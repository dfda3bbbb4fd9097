import t from 'tap';
import { missing, OWN_NAMESPACES, type Scope } from '../../installer/node/readiness.ts';
import {
  watchedWorkloads,
  workloadNamespaces,
  type WatchedKind,
  type WorkloadObject,
} from '../../installer/node/workloads.ts';
import type { NodeObject, PodObject } from '../../src/kube/types.ts';
import { testSpec } from '../fixtures/spec.ts';

const spec = testSpec(1, 4, 2);
const node = (name: string, status = 'True'): NodeObject => ({
  metadata: { name, ...(name === 'n1' ? { labels: { 'node-role.kubernetes.io/control-plane': '' } } : {}) },
  status: { conditions: [{ type: 'Ready', status, message: 'kubelet stopped' }] },
});
const pod = (
  namespace: string,
  name: string,
  nodeName: string | undefined,
  status = 'True',
  phase = 'Running',
): PodObject => ({
  metadata: { name, namespace },
  spec: nodeName === undefined ? {} : { nodeName },
  status: { phase, conditions: [{ type: 'Ready', status, message: 'no' }] },
});
const system = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler'].map((n) =>
  pod('kube-system', `${n}-n1`, 'n1'),
);
const stack = [
  pod('terrarium-system', 'cloud-a', 'n1'),
  ...['n1', 'n2', 'n3'].map((n) => pod('terrarium-system', `satellite-${n}`, n)),
];
const nodes = [node('n1'), node('n2'), node('n3')];
const all: Scope = { nodes: spec.nodes, namespaces: OWN_NAMESPACES, unscheduled: false, workloads: [] };

t.test('an install waits for its own only', async (t) => {
  t.equal(missing(all, nodes, [...system, ...stack], []), undefined);
  t.match(
    missing(all, [node('n1'), node('n2', 'False'), node('n3')], [...system, ...stack], []),
    /n2 is not ready \(kubelet stopped\)/,
  );
  t.match(missing(all, nodes, [...system, ...stack.slice(1)], []), /cloud has no pod on n1/);
  const others = [pod('shop', 'crashing', 'n2', 'False'), pod('shop', 'pending', undefined, 'False')];
  t.equal(
    missing(all, nodes, [...system, ...stack, ...others], []),
    undefined,
    'somebody else’s broken pods do not matter',
  );
  t.match(
    missing(
      { ...all, namespaces: [...OWN_NAMESPACES, 'shop'], unscheduled: true },
      nodes,
      [...system, ...stack, ...others],
      [],
    ),
    /shop\/crashing is not ready/,
  );
  t.match(
    missing(
      { ...all, namespaces: [...OWN_NAMESPACES, 'shop'], unscheduled: true },
      nodes,
      [...system, ...stack, ...others.slice(1)],
      [],
    ),
    /shop\/pending is not ready/,
  );
  t.equal(
    missing(
      all,
      [...nodes, node('joined', 'False')],
      [...system, ...stack, pod('terrarium-system', 'satellite-x', 'joined', 'False')],
      [],
    ),
    undefined,
    'nor what runs on a node that joined later',
  );
  t.match(
    missing(
      all,
      nodes,
      [...system, pod('terrarium-system', 'cloud-old', 'n1', 'False', 'Failed'), ...stack.slice(1)],
      [],
    ),
    /cloud has no pod on n1/,
    'a pod that has ended does not count',
  );
});

t.test('a join does not wait for a third machine', async (t) => {
  const scope: Scope = { ...all, nodes: spec.nodes.filter((n) => n.name !== 'n2') };
  const down = [node('n1'), node('n2', 'Unknown'), node('n3')];
  t.equal(
    missing(
      scope,
      down,
      [
        ...system,
        ...stack.filter((p) => p.spec?.nodeName !== 'n2'),
        pod('terrarium-system', 'satellite-n2', 'n2', 'False'),
      ],
      [],
    ),
    undefined,
  );
  t.match(missing(scope, [node('n1'), node('n2')], [...system, ...stack], []), /n3 has not registered/);
});

t.test('an install waits until its applications’ controllers have made their pods', async (t) => {
  const applied = (
    kind: WatchedKind,
    name: string,
    spec: WorkloadObject['spec'] = {},
    status: WorkloadObject['status'] = {},
  ): { kind: WatchedKind; object: WorkloadObject } => ({
    kind,
    object: { metadata: { name, namespace: 'shop', generation: 2 }, spec, status },
  });
  const judged = (
    kind: WatchedKind,
    spec?: WorkloadObject['spec'],
    status?: WorkloadObject['status'],
  ): string | undefined =>
    missing(
      {
        ...all,
        namespaces: [...OWN_NAMESPACES, 'shop'],
        unscheduled: true,
        workloads: [{ kind, namespace: 'shop', name: 'web' }],
      },
      nodes,
      [...system, ...stack],
      [applied(kind, 'another'), applied(kind, 'web', spec, status)],
    );
  const seen = { observedGeneration: 2 };
  t.match(
    missing(
      { ...all, workloads: [{ kind: 'Deployment', namespace: 'shop', name: 'web' }] },
      nodes,
      [...system, ...stack],
      [],
    ),
    /Deployment shop\/web is not there yet/,
  );
  t.match(
    judged('Deployment', { replicas: 1 }),
    /Deployment shop\/web has just been applied/,
    'no pod of it is there that could be not ready',
  );
  t.match(
    judged('Deployment', { replicas: 2 }, { observedGeneration: 1, updatedReplicas: 2, readyReplicas: 2 }),
    /just been applied/,
    'what is ready is of before',
  );
  t.match(judged('Deployment', { replicas: 2 }, { ...seen, updatedReplicas: 1, readyReplicas: 2 }), /has 1 of 2 pods$/);
  t.match(
    judged(
      'Deployment',
      { replicas: 2 },
      { ...seen, conditions: [{ type: 'ReplicaFailure', status: 'True', message: 'exceeded quota' }] },
    ),
    /has 0 of 2 pods: exceeded quota$/,
  );
  t.equal(judged('Deployment', { replicas: 2 }, { ...seen, updatedReplicas: 2, readyReplicas: 2 }), undefined);
  t.equal(judged('Deployment', { replicas: 0 }, seen), undefined);
  t.equal(judged('Deployment', { replicas: 1, paused: true }, seen), undefined, 'a paused one makes none');
  t.match(judged('StatefulSet', { replicas: 2 }, { ...seen, readyReplicas: 1 }), /StatefulSet shop\/web has 1 of 2/);
  t.equal(judged('StatefulSet', { replicas: 2 }, { ...seen, readyReplicas: 2 }), undefined);
  t.match(
    judged('DaemonSet', {}, { ...seen, desiredNumberScheduled: 3, numberReady: 2 }),
    /DaemonSet shop\/web has 2 of 3/,
  );
  t.equal(
    judged('DaemonSet', {}, { ...seen, desiredNumberScheduled: 4, numberReady: 3 }),
    undefined,
    'a node that joined later does not matter',
  );
  t.equal(
    judged('DaemonSet', {}, { ...seen, desiredNumberScheduled: 0, numberReady: 0 }),
    undefined,
    'no node has its labels',
  );
});

t.test('namespaces of what manifests start', async (t) => {
  const manifest = `apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
kind: Deployment
metadata: {name: a, namespace: shop}
---
kind: ConfigMap
metadata: {name: b, namespace: other}
---
`;
  t.same(workloadNamespaces([manifest, '{"kind":"List","items":[{"kind":"Job","metadata":{"name":"j"}}]}']), [
    'default',
    'shop',
  ]);
  t.same(workloadNamespaces([]), []);
  const apps = `apiVersion: apps/v1
kind: Deployment
metadata: {name: a, namespace: shop}
---
apiVersion: example.com/v1
kind: Deployment
metadata: {name: other}
`;
  t.same(
    watchedWorkloads([
      apps,
      JSON.stringify({
        kind: 'List',
        items: [
          { apiVersion: 'apps/v1', kind: 'DaemonSet', metadata: { name: 'd' } },
          { kind: 'Job', metadata: { name: 'j' } },
        ],
      }),
    ]),
    [
      { kind: 'Deployment', namespace: 'shop', name: 'a' },
      { kind: 'DaemonSet', namespace: 'default', name: 'd' },
    ],
  );
});
