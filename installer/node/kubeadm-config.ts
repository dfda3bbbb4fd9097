import { stringify } from 'yaml';
import { hostPort } from '../../src/host-port.ts';
import { nodePaths } from '../cluster/paths.ts';
import { controlPlanes, type ClusterSpec, type NodeSpec } from '../cluster/spec.ts';
import type { ComponentVersions } from './component-versions.ts';

export interface HostTraits {
  /**
   * cgroup v1 controllers are mounted (hybrid or legacy host): the kubelet must be told, and the cgroupfs driver used.
   */
  cgroupV1: boolean;
}

export function loopback(spec: Pick<ClusterSpec, 'family'>): string {
  return spec.family === 6 ? '::1' : '127.0.0.1';
}

/** The folder of the patches that kubeadm applies to the static pods of a node. */
export function kubeadmPatchesDirectory(spec: Pick<ClusterSpec, 'data'>): string {
  return `${spec.data}/kubeadm-patches`;
}

/** Where everything on a node finds the API: the node's own balancer, never one machine. */
export function apiUrl(spec: Pick<ClusterSpec, 'family' | 'ports'>): string {
  return `https://${hostPort(loopback(spec), spec.ports.balancer)}`;
}

const arg = (name: string, value: string): { name: string; value: string } => ({ name, value });

/**
 * kubeadm's configuration of one node (kubeadm.k8s.io/v1beta4 and kubelet.config.k8s.io/v1beta1).
 * Timeouts are long because a slow machine is no failure; whoever runs a phase watches for progress itself.
 * @param initialCluster of a member that joins an etcd: all members, itself included, as `NAME=PEER-URL,…`.
 */
export function kubeadmConfig(
  spec: ClusterSpec,
  node: NodeSpec,
  traits: HostTraits,
  versions: Pick<ComponentVersions, 'kubernetes' | 'etcdTag'>,
  initialCluster?: string,
): string {
  const paths = nodePaths(spec);
  const init = {
    apiVersion: 'kubeadm.k8s.io/v1beta4',
    kind: 'InitConfiguration',
    localAPIEndpoint: { advertiseAddress: node.address, bindPort: spec.ports.api },
    nodeRegistration: nodeRegistration(node, paths.containerdSocket),
    patches: { directory: kubeadmPatchesDirectory(spec) },
    timeouts: TIMEOUTS,
  };
  const cluster = {
    apiVersion: 'kubeadm.k8s.io/v1beta4',
    kind: 'ClusterConfiguration',
    clusterName: spec.name,
    // Small keys, made in no time; our own signing (kubelet-sign) expects P-256.
    encryptionAlgorithm: 'ECDSA-P256',
    kubernetesVersion: versions.kubernetes,
    // kubeadm takes a CA without its key for an external CA and wants all other certificates then: a worker shows it
    // none.
    ...(node.role === 'worker' ? { certificatesDir: `${paths.data}/no-pki` } : {}),
    controlPlaneEndpoint: hostPort(loopback(spec), spec.ports.balancer),
    networking: { serviceSubnet: spec.serviceRange, dnsDomain: 'cluster.local' },
    apiServer: {
      certSANs: ['127.0.0.1', '::1', 'localhost', ...controlPlanes(spec).flatMap((n) => [n.address, n.name])],
      extraArgs: [
        arg('etcd-servers', etcdUrl(loopback(spec), spec.ports.etcdClient)),
        // A pod of a lost node is replaced after node-monitor-grace-period and this, not after five minutes.
        arg('default-not-ready-toleration-seconds', '10'),
        arg('default-unreachable-toleration-seconds', '10'),
      ],
    },
    controllerManager: {
      extraArgs: [
        arg('node-monitor-grace-period', '20s'),
        arg('node-monitor-period', '3s'),
        arg('secure-port', String(spec.ports.controllerManager)),
        // Everything is on the host network: what listens to nobody outside must not be reachable from outside.
        arg('bind-address', loopback(spec)),
      ],
    },
    scheduler: { extraArgs: [arg('bind-address', loopback(spec)), arg('secure-port', String(spec.ports.scheduler))] },
    etcd: {
      local: {
        dataDir: `${paths.data}/etcd`,
        imageTag: versions.etcdTag,
        extraArgs: etcdArgs(spec, node, initialCluster),
      },
    },
  };
  const kubelet = {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address: node.address,
    port: spec.ports.kubelet,
    ...(node.role === 'worker' ? { authentication: { x509: { clientCAFile: '/etc/kubernetes/pki/ca.crt' } } } : {}),
    healthzBindAddress: loopback(spec),
    healthzPort: spec.ports.kubeletHealth,
    cgroupDriver: traits.cgroupV1 ? 'cgroupfs' : 'systemd',
    failCgroupV1: false,
    failSwapOn: false,
    // The kubelet's own chains and conntrack rule would be the only netfilter state of the whole cluster.
    makeIPTablesUtilChains: false,
    serializeImagePulls: false,
    // What the internet cannot bring back is never garbage-collected.
    imageGCHighThresholdPercent: 100,
    imageGCLowThresholdPercent: 99,
    nodeLeaseDurationSeconds: 20,
    rotateCertificates: true,
    clusterDNS: [],
  };
  return [init, cluster, kubelet].map((d) => stringify(d)).join('---\n');
}

export function etcdUrl(address: string, port: number): string {
  return `https://${hostPort(address, port)}`;
}

/** etcd's addresses of one node: kubeadm has the ports as constants, but lets its arguments be replaced. */
function etcdArgs(spec: ClusterSpec, node: NodeSpec, initialCluster: string | undefined): object[] {
  const { etcdClient, etcdPeer, etcdMetrics } = spec.ports;
  const peer = etcdUrl(node.address, etcdPeer);
  return [
    arg('listen-client-urls', `${etcdUrl(loopback(spec), etcdClient)},${etcdUrl(node.address, etcdClient)}`),
    arg('advertise-client-urls', etcdUrl(node.address, etcdClient)),
    arg('listen-peer-urls', peer),
    arg('initial-advertise-peer-urls', peer),
    arg('listen-metrics-urls', `http://${hostPort(loopback(spec), etcdMetrics)}`),
    arg('initial-cluster', initialCluster ?? `${node.name}=${peer}`),
    arg('initial-cluster-state', initialCluster === undefined ? 'new' : 'existing'),
  ];
}

function nodeRegistration(node: NodeSpec, socket: string): object {
  return {
    name: node.name,
    criSocket: `unix://${socket}`,
    imagePullPolicy: 'Never',
    // No taint: without workers the applications run on the control planes.
    taints: [],
    kubeletExtraArgs: [arg('node-ip', node.address), arg('hostname-override', node.name)],
  };
}

const TIMEOUTS = {
  controlPlaneComponentHealthCheck: '12m0s',
  kubeletHealthCheck: '8m0s',
  kubernetesAPICall: '8m0s',
  etcdAPICall: '5m0s',
  tlsBootstrap: '10m0s',
};
