/**
 * Every port that the cluster uses. Preflight connects to each, the README's table is generated from it,
 * and `ports:` in cluster.yaml changes any of them by its name.
 */
export interface PortUse {
  name: string;
  port: number;
  /** Preflight tries those that have TCP. */
  protocol: 'tcp' | 'udp' | 'tcp, udp';
  /** Who connects. `self`: loopback only, never opened to the network. */
  from: 'all nodes' | 'control-plane' | 'self' | 'users';
  to: 'all nodes' | 'control-plane';
  why: string;
}

export const PORTS = {
  api: { port: 6443, protocol: 'tcp', from: 'all nodes', to: 'control-plane', why: 'Kubernetes API server' },
  etcdClient: {
    port: 2379,
    protocol: 'tcp',
    from: 'control-plane',
    to: 'control-plane',
    why: 'etcd clients (API servers)',
  },
  etcdPeer: { port: 2380, protocol: 'tcp', from: 'control-plane', to: 'control-plane', why: 'etcd replication' },
  etcdMetrics: { port: 2381, protocol: 'tcp', from: 'self', to: 'control-plane', why: 'etcd health' },
  kubelet: {
    port: 10250,
    protocol: 'tcp',
    from: 'control-plane',
    to: 'all nodes',
    why: 'kubelet (logs, exec, metrics)',
  },
  kubeletHealth: { port: 10248, protocol: 'tcp', from: 'self', to: 'all nodes', why: 'kubelet health' },
  controllerManager: {
    port: 10257,
    protocol: 'tcp',
    from: 'self',
    to: 'control-plane',
    why: 'controller-manager health',
  },
  scheduler: { port: 10259, protocol: 'tcp', from: 'self', to: 'control-plane', why: 'scheduler health' },
  balancer: {
    port: 7443,
    protocol: 'tcp',
    from: 'self',
    to: 'all nodes',
    why: 'node-local load balancer in front of all API servers',
  },
  agent: { port: 7444, protocol: 'tcp', from: 'all nodes', to: 'control-plane', why: 'agent: join requests' },
  executor: {
    port: 7445,
    protocol: 'tcp',
    from: 'all nodes',
    to: 'all nodes',
    why: 'executor: the steps of an install, a join, an upgrade',
  },
  nats: { port: 7446, protocol: 'tcp', from: 'all nodes', to: 'control-plane', why: 'bus: satellites and clouds' },
  natsCluster: {
    port: 7447,
    protocol: 'tcp',
    from: 'control-plane',
    to: 'control-plane',
    why: 'bus: between its servers',
  },
  natsWebsocket: {
    port: 7448,
    protocol: 'tcp',
    from: 'self',
    to: 'control-plane',
    why: "bus: what satellites send by WebSocket to the console's port",
  },
  direct: {
    port: 7449,
    protocol: 'tcp',
    from: 'users',
    to: 'all nodes',
    why: 'direct queries: rows from a satellite to the browser',
  },
  dns: { port: 7453, protocol: 'tcp, udp', from: 'users', to: 'control-plane', why: "DNS of the cloud's own zone" },
  console: { port: 8443, protocol: 'tcp', from: 'users', to: 'control-plane', why: 'web console and API' },
} as const satisfies Record<string, Omit<PortUse, 'name'>>;

export type PortName = keyof typeof PORTS;
export type Ports = Record<PortName, number>;

export const PORT_NAMES = Object.keys(PORTS) as PortName[];

/** The table with a cluster's own numbers put in. */
export function portUses(ports: Ports): PortUse[] {
  return PORT_NAMES.map((name) => ({ ...PORTS[name], name, port: ports[name] }));
}
