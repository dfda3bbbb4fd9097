import { z } from 'zod';
import { EXIT, Failure } from '../../src/errors.ts';
import { createKubeClient, type KubeClient } from '../../src/kube/client.ts';
import { loadKubeconfig } from '../../src/kube/kubeconfig.ts';
import type { NodeObject } from '../../src/kube/types.ts';
import { controlPlanes, type ClusterSpec, type NodeSpec } from '../cluster/spec.ts';
import { makeDir, writeFileDurably } from '../node/files.ts';
import { ADMIN_CONF } from '../node/kubeadm.ts';
import { grantMembership } from '../node/membership.ts';
import { SPEC_KEY, SYSTEM_NAMESPACE } from '../node/stack-manifests.ts';
import { startPlan } from '../node/start.ts';
import { operationFiles } from '../plan/files.ts';
import { nodeSchema, specSchema } from '../plan/schema.ts';
import { startExecutor } from '../plan/units.ts';
import { redeemToken } from './join-token.ts';
import { joinOperation, joinPlan, withNode } from './join.ts';

/** What a joining machine sends; `csr` only once it knows the cluster. */
export const joinRequestSchema = z.strictObject({
  token: z.string().max(200),
  node: nodeSchema,
  csr: z.string().max(8192).optional(),
});
export type JoinRequest = z.infer<typeof joinRequestSchema>;

export interface JoinGrant {
  spec: ClusterSpec;
  operation: string;
  /** With `csr` in the request. */
  cert?: string;
  ca?: string;
}

export interface JoinStart {
  operation: string;
  spec: ClusterSpec;
  state: 'started' | 'running';
}

/** The control plane's side of a join, without its transport. `own` is the node that this runs on. */
export interface JoinHost {
  request(request: JoinRequest): Promise<JoinGrant>;
  /** For a machine that holds its certificate: (re)starts the coordinator of its join here. */
  start(node: string): Promise<JoinStart>;
}

export function joinHost(own: NodeSpec): JoinHost {
  const client = (): KubeClient => createKubeClient(loadKubeconfig(ADMIN_CONF));
  return {
    async request({ token, node, csr }) {
      const kube = client();
      try {
        await redeemToken(kube, token, node.role, csr, new Date());
        const spec = withNode(await clusterSpec(kube, node.name), own, node);
        if (csr === undefined) {
          await refuseConflicts(kube, node);
          return { spec, operation: joinOperation(spec.id, node) };
        }
        const { ca, certs } = await grantMembership(spec, { [node.name]: csr });
        await announce(kube, spec);
        return { spec, operation: joinOperation(spec.id, node), cert: certs[node.name] ?? '', ca };
      } finally {
        kube.close();
      }
    },

    async start(name) {
      const kube = client();
      try {
        const known = await clusterSpec(kube, name);
        const node = known.nodes.find((n) => n.name === name);
        if (node === undefined) {
          throw new Failure('unknown-node', `${name} has not been admitted to this cluster.`, { exitCode: EXIT.usage });
        }
        const spec = withNode(known, own, node);
        const plan = joinPlan(spec, own, node);
        await startOwnExecutor(spec, own, plan.id);
        return { operation: plan.id, spec, state: await startPlan(plan) };
      } finally {
        kube.close();
      }
    },
  };
}

const specMapSchema = z.object({ data: z.object({ [SPEC_KEY]: z.string() }) });

/**
 * The cluster as it is: a machine whose join was given up is announced but never registered, and must not be waited
 * for.
 */
async function clusterSpec(kube: KubeClient, joining: string): Promise<ClusterSpec> {
  const map = specMapSchema.parse(await kube.request(`/api/v1/namespaces/${SYSTEM_NAMESPACE}/configmaps/cluster`));
  const spec = specSchema.parse(JSON.parse(map.data[SPEC_KEY] as string));
  const registered = new Set((await kube.list<NodeObject>('/api/v1/nodes')).items.map((n) => n.metadata.name));
  return { ...spec, nodes: spec.nodes.filter((n) => n.name === joining || registered.has(n.name)) };
}

/** Writes the cluster with the new node where every control plane finds it, before anything of the join is done. */
async function announce(kube: KubeClient, spec: ClusterSpec): Promise<void> {
  await kube.request(`/api/v1/namespaces/${SYSTEM_NAMESPACE}/configmaps/cluster`, {
    method: 'PATCH',
    contentType: 'application/merge-patch+json',
    body: { data: { [SPEC_KEY]: JSON.stringify(spec) } },
  });
}

async function refuseConflicts(kube: KubeClient, node: NodeSpec): Promise<void> {
  const spec = await clusterSpec(kube, node.name);
  const twin = spec.nodes.find((n) => (n.name === node.name) !== (n.address === node.address));
  if (twin !== undefined) {
    const what =
      twin.name === node.name
        ? `The cluster has a node ${node.name} already, with the address ${twin.address}`
        : `The address ${node.address} belongs to the node ${twin.name} already`;
    throw new Failure('duplicate-node', `${what}.`, {
      remedy: 'Give this machine another host name, or use --name or --address.',
      exitCode: EXIT.usage,
    });
  }
  const planes =
    controlPlanes(spec).filter((n) => n.name !== node.name).length + (node.role === 'control-plane' ? 1 : 0);
  if (planes > 5) {
    throw new Failure('too-many-control-planes', 'The cluster has five control planes already.', {
      remedy: 'Join this machine as a worker.',
      exitCode: EXIT.usage,
    });
  }
}

async function startOwnExecutor(spec: ClusterSpec, own: NodeSpec, operation: string): Promise<void> {
  const files = operationFiles(spec.data, operation);
  makeDir(files.dir, { mode: 0o700 });
  writeFileDurably(files.executorConfig, JSON.stringify({ spec, node: own }), { mode: 0o600 });
  await startExecutor({ executable: process.execPath, operation, data: spec.data });
}
