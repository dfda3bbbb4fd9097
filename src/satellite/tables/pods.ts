import type { CollectedTable } from '../table.ts';

export const table: CollectedTable = {
  kind: 'state',
  name: 'pods',
  description: 'Pods of Kubernetes on this node; while the Kubernetes API is away, those that were known last',
  columns: [
    { name: 'namespace', type: 'text', description: 'namespace' },
    { name: 'name', type: 'text', description: 'name' },
    { name: 'uid', type: 'text', description: 'unique id' },
    { name: 'phase', type: 'text', description: 'Pending, Running, Succeeded, Failed or Unknown' },
    {
      name: 'reason',
      type: 'text',
      description: 'what keeps it from running (CrashLoopBackOff, Evicted …); null if nothing does',
    },
    { name: 'ready', type: 'integer', description: '1 if it takes traffic' },
    { name: 'containers', type: 'integer', description: 'number of its containers' },
    { name: 'ready_containers', type: 'integer', description: 'number of those that are ready' },
    { name: 'restarts', type: 'integer', description: 'restarts of all its containers' },
    { name: 'owner', type: 'text', description: 'what made it, as Kind/name; null for a pod of its own' },
    { name: 'host_network', type: 'integer', description: "1 if it uses the node's network" },
    { name: 'ip', type: 'text', description: 'its IP address' },
    { name: 'images', type: 'text', description: 'images of its containers, separated by spaces' },
    { name: 'labels', type: 'text', description: "labels as a JSON object: labels ->> 'app' is one of them" },
    { name: 'created_at', type: 'text', description: 'UTC time at which it was created' },
    { name: 'started_at', type: 'text', description: 'UTC time at which the node took it up' },
  ],
};
