import t from 'tap';
import type { NodeObject, PodObject } from '../../src/kube/types.ts';
import { missing, OWN_NAMESPACES, workloadNamespaces, type Scope } from '../../installer/node/readiness.ts';
import { testSpec } from '../fixtures/spec.ts';

const spec = testSpec(1, 4, 2);
const node = (name: string, status = 'True'): NodeObject => ({ metadata: { name, ...(name === 'n1' ? { labels: { 'node-role.kubernetes.io/control-plane': '' } } : {}) }, status: { conditions: [{ type: 'Ready', status, message: 'kubelet stopped' }] } });
const pod = (namespace: string, name: string, nodeName: string | undefined, status = 'True', phase = 'Running'): PodObject => ({ metadata: { name, namespace }, spec: nodeName === undefined ? {} : { nodeName }, status: { phase, conditions: [{ type: 'Ready', status, message: 'no' }] } });
const system = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler'].map((n) => pod('kube-system', `${n}-n1`, 'n1'));
const stack = [pod('terrarium-system', 'cloud-a', 'n1'), ...['n1', 'n2', 'n3'].map((n) => pod('terrarium-system', `satellite-${n}`, n))];
const nodes = [node('n1'), node('n2'), node('n3')];
const all: Scope = { nodes: spec.nodes, namespaces: OWN_NAMESPACES, unscheduled: false };

t.test('an install waits for its own only', async (t) => {
  t.equal(missing(all, nodes, [...system, ...stack]), undefined);
  t.match(missing(all, [node('n1'), node('n2', 'False'), node('n3')], [...system, ...stack]), /n2 is not ready \(kubelet stopped\)/);
  t.match(missing(all, nodes, [...system, ...stack.slice(1)]), /cloud has no pod on n1/);
  const others = [pod('shop', 'crashing', 'n2', 'False'), pod('shop', 'pending', undefined, 'False')];
  t.equal(missing(all, nodes, [...system, ...stack, ...others]), undefined, 'somebody else’s broken pods do not matter');
  t.match(missing({ ...all, namespaces: [...OWN_NAMESPACES, 'shop'], unscheduled: true }, nodes, [...system, ...stack, ...others]), /shop\/crashing is not ready/);
  t.match(missing({ ...all, namespaces: [...OWN_NAMESPACES, 'shop'], unscheduled: true }, nodes, [...system, ...stack, ...others.slice(1)]), /shop\/pending is not ready/);
  t.equal(missing(all, [...nodes, node('joined', 'False')], [...system, ...stack, pod('terrarium-system', 'satellite-x', 'joined', 'False')]), undefined, 'nor what runs on a node that joined later');
  t.match(missing(all, nodes, [...system, pod('terrarium-system', 'cloud-old', 'n1', 'False', 'Failed'), ...stack.slice(1)]), /cloud has no pod on n1/, 'a pod that has ended does not count');
});

t.test('a join does not wait for a third machine', async (t) => {
  const scope: Scope = { ...all, nodes: spec.nodes.filter((n) => n.name !== 'n2') };
  const down = [node('n1'), node('n2', 'Unknown'), node('n3')];
  t.equal(missing(scope, down, [...system, ...stack.filter((p) => p.spec?.nodeName !== 'n2'), pod('terrarium-system', 'satellite-n2', 'n2', 'False')]), undefined);
  t.match(missing(scope, [node('n1'), node('n2')], [...system, ...stack]), /n3 has not registered/);
});

t.test('namespaces of what manifests start', async (t) => {
  const manifest = 'apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\nkind: Deployment\nmetadata: {name: a, namespace: shop}\n---\nkind: ConfigMap\nmetadata: {name: b, namespace: other}\n---\n';
  t.same(workloadNamespaces([manifest, '{"kind":"List","items":[{"kind":"Job","metadata":{"name":"j"}}]}']), ['default', 'shop']);
  t.same(workloadNamespaces([]), []);
});
