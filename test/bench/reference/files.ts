import { stringify } from 'yaml';
import { bundledVersions } from '../../../installer/node/component-versions.ts';
import { CNI_CONFIG, type RuntimeTraits } from '../../../installer/node/containerd-config.ts';

/** Where the reference's programs and images lie on each machine. */
export const HOME = '/opt/kubeadm-bench';
const SERVICE_RANGE = '240.96.0.0/16';
const SOCKET = 'unix:///run/containerd/containerd.sock';
const PATH = `${HOME}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`;

export interface Peer {
  name: string;
  address: string;
}

const KUBELET = [
  `${HOME}/bin/kubelet`,
  '--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf',
  '--kubeconfig=/etc/kubernetes/kubelet.conf',
  '--config=/var/lib/kubelet/config.yaml',
  '$KUBELET_KUBEADM_ARGS',
].join(' ');

/** What kubeadm's documentation has an administrator put onto each machine beforehand. */
export function machineFiles(traits: RuntimeTraits): Record<string, string> {
  return {
    '/etc/containerd/config.toml': `version = 3
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = '${bundledVersions().pauseImage}'
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = ${traits.restrictOomScoreAdj}
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ['${HOME}/cni']
    conf_dir = '/etc/cni/net.d'
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
    runtime_type = 'io.containerd.runc.v2'
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
      SystemdCgroup = ${!traits.cgroupV1}
`,
    '/etc/cni/net.d/10-host.conflist': CNI_CONFIG,
    '/etc/systemd/system/containerd.service': `[Service]
Type=notify
Environment=PATH=${PATH}
ExecStart=${HOME}/bin/containerd
KillMode=process
Delegate=yes
LimitNOFILE=1048576
TasksMax=infinity
`,
    // As in the packages of Kubernetes, but that it is started again at once.
    '/etc/systemd/system/kubelet.service': `[Unit]
StartLimitIntervalSec=0

[Service]
Environment=PATH=${PATH}
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
ExecStart=${KUBELET}
Restart=always
RestartSec=1
KillMode=process

[Install]
WantedBy=multi-user.target
`,
  };
}

export interface Secrets {
  token: string;
  /** 32 bytes, hex. */
  certificateKey: string;
}

/**
 * For `kubeadm init --upload-certs`: kubeadm's defaults but for what a cluster on host networks without kube-proxy
 * needs.
 */
export function initConfig(peer: Peer, secrets: Secrets, traits: RuntimeTraits): string {
  return [
    {
      apiVersion: 'kubeadm.k8s.io/v1beta4',
      kind: 'InitConfiguration',
      localAPIEndpoint: { advertiseAddress: peer.address },
      bootstrapTokens: [{ token: secrets.token }],
      certificateKey: secrets.certificateKey,
      nodeRegistration: nodeRegistration(peer),
      skipPhases: ['preflight', 'addon'],
    },
    {
      apiVersion: 'kubeadm.k8s.io/v1beta4',
      kind: 'ClusterConfiguration',
      kubernetesVersion: bundledVersions().kubernetes,
      controlPlaneEndpoint: `${peer.address}:6443`,
      networking: { serviceSubnet: SERVICE_RANGE },
      etcd: { local: { imageTag: bundledVersions().etcdTag } },
    },
    {
      apiVersion: 'kubelet.config.k8s.io/v1beta1',
      kind: 'KubeletConfiguration',
      cgroupDriver: traits.cgroupV1 ? 'cgroupfs' : 'systemd',
      failCgroupV1: false,
      failSwapOn: false,
    },
  ]
    .map((d) => stringify(d))
    .join('---\n');
}

/** @param caHash of the CA's public key, `sha256:` and hex. */
export function joinConfig(first: Peer, peer: Peer, secrets: Secrets, caHash: string): string {
  return stringify({
    apiVersion: 'kubeadm.k8s.io/v1beta4',
    kind: 'JoinConfiguration',
    discovery: {
      bootstrapToken: { token: secrets.token, apiServerEndpoint: `${first.address}:6443`, caCertHashes: [caHash] },
    },
    controlPlane: { localAPIEndpoint: { advertiseAddress: peer.address }, certificateKey: secrets.certificateKey },
    nodeRegistration: nodeRegistration(peer),
    skipPhases: ['preflight'],
  });
}

function nodeRegistration({ name }: Peer): object {
  return { name, criSocket: SOCKET, taints: [] };
}
