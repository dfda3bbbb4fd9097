import { historyTable } from '../table.ts';

export const table = historyTable({
  name: 'kubernetes_events',
  description:
    "Kubernetes' events of this node and of its pods, kept longer than Kubernetes does; one row each time that one " +
    'occurs again',
  columns: [
    { name: 'type', type: 'text', description: 'Normal or Warning' },
    { name: 'reason', type: 'text', description: 'what happened, one word: Scheduled, BackOff, Unhealthy …' },
    { name: 'kind', type: 'text', description: 'kind of the object that it is about: Pod or Node' },
    { name: 'namespace', type: 'text', description: "the object's namespace; empty for a node" },
    { name: 'name', type: 'text', description: "the object's name" },
    { name: 'message', type: 'text', description: 'what happened, one sentence' },
    { name: 'source', type: 'text', description: 'who says so: kubelet, default-scheduler …' },
    { name: 'count', type: 'integer', description: 'how often it had occurred by then' },
    { name: 'uid', type: 'text', description: 'unique id of the event' },
  ],
});
