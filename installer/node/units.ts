import type { NodePaths } from '../cluster/paths.ts';
import { SYSTEM_PATH } from '../system-path.ts';

/** The three units that stay on a node. `kubelet` is a name that kubeadm hard-codes. */
export const CONTAINERD_UNIT = 'terrarium-containerd.service';
export const AGENT_UNIT = 'terrarium-agent.service';
export const KUBELET_UNIT = 'kubelet.service';

export function containerdUnit(paths: NodePaths): string {
  return `[Unit]
Description=Container runtime of Terrarium
After=network.target local-fs.target

[Service]
Type=notify
Environment=PATH=${paths.bin}:${SYSTEM_PATH}
UMask=0022
ExecStart=${paths.bin}/containerd --config ${paths.current}/etc/containerd.toml
Restart=always
RestartSec=1
# Containers outlive their runtime's restart.
KillMode=process
Delegate=yes
LimitNOFILE=1048576
TasksMax=infinity

[Install]
WantedBy=multi-user.target
`;
}

export function kubeletUnit(paths: NodePaths): string {
  return `[Unit]
Description=Kubernetes node agent of Terrarium
After=network.target ${CONTAINERD_UNIT} ${AGENT_UNIT}
Wants=${CONTAINERD_UNIT} ${AGENT_UNIT}
ConditionPathExists=/etc/kubernetes/kubelet.conf

[Service]
Environment=PATH=${paths.bin}:${SYSTEM_PATH}
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
UMask=0022
# The kubelet does not fsync what it writes for itself (its serving certificate, its checkpoints): after a power cut
# such a file may be empty, and it would never start again.
ExecStartPre=-find /var/lib/kubelet -xdev -maxdepth 2 -type f -size 0 -delete
ExecStart=${paths.bin}/kubelet --kubeconfig=/etc/kubernetes/kubelet.conf --config=/var/lib/kubelet/config.yaml \
$KUBELET_KUBEADM_ARGS
Restart=always
RestartSec=2
# Containers belong to containerd, not to the kubelet's own group.
KillMode=process
LimitNOFILE=1048576

[Install]
WantedBy=multi-user.target
`;
}

export function agentUnit(paths: NodePaths): string {
  return `[Unit]
Description=Node agent of Terrarium (API load balancer, joins, local volumes)
After=network.target

[Service]
Environment=PATH=${paths.bin}:${SYSTEM_PATH} HOME=/root
UMask=0022
ExecStart=${paths.executable} agent --data ${paths.data}
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
`;
}
