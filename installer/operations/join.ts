import type { ClusterSpec, NodeSpec } from '../cluster/spec.ts';
import type { Plan } from '../plan/types.ts';
import { identities, joinControlPlane, NODE_OF_CONTROL_PLANE, operationId, stack } from './install.ts';
import { leaf, onEach, serial } from './tree.ts';

/**
 * The cluster with one more node, as the coordinating control plane hands it out: that one stands first, because
 * the first control plane is whose CAs the others ask for.
 */
export function withNode(spec: ClusterSpec, coordinator: NodeSpec, node: NodeSpec): ClusterSpec {
  const others = spec.nodes.filter((n) => n.name !== coordinator.name && n.name !== node.name);
  return { ...spec, nodes: [coordinator, ...others, node] };
}

/** The plan by which one machine joins a running cluster. `spec` already contains it, see withNode. */
export function joinPlan(spec: ClusterSpec, coordinator: NodeSpec, node: NodeSpec): Plan {
  const root = serial(
    'join-node',
    `${node.name} joins ${spec.name}`,
    onEach('prepare', 'prepare the machine', [node], 'host-settings', 'release', 'runtime', 'images', 'agent'),
    serial(
      'nodes',
      'start the node',
      ...(node.role === 'control-plane' ? NODE_OF_CONTROL_PLANE : ['kubelet']).map((p) => leaf('nodes', node, p)),
    ),
    ...(node.role === 'control-plane' ? [joinControlPlane(node)] : []),
    ...identities([node]),
    ...stack(coordinator),
    // Other machines may be down just now: that does not keep this one out.
    { ...leaf('stack', coordinator, 'node-ready'), args: { node: node.name } },
    leaf('complete', node, 'complete'),
  );
  return { id: joinOperation(spec.id, node), operation: 'join', spec, root };
}

/**
 * Nothing but the cluster and the machine: a join that is tried again, also by way of another control plane, is the
 * same operation to the executor that may still run on that machine.
 */
export function joinOperation(clusterId: string, { name, address, role }: NodeSpec): string {
  return operationId('join', { id: clusterId, nodes: [{ name, address, role }] });
}
