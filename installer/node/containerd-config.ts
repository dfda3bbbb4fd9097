import { RUN_DIR, type NodePaths } from '../cluster/paths.ts';
import type { HostTraits } from './kubeadm-config.ts';

export interface RuntimeTraits extends HostTraits {
  /** Without CAP_SYS_RESOURCE runc cannot lower oom_score_adj and every container would fail to start. */
  restrictOomScoreAdj: boolean;
}

export const SHIM_SOCKETS = `${RUN_DIR}/s`;
export const RUNC_STATE = `${RUN_DIR}/runc`;

/** containerd's configuration (version 3), everything below our own folders. */
export function containerdConfig(paths: NodePaths, traits: RuntimeTraits, pauseImage: string): string {
  return `version = 3
root = '${paths.containerd}'
state = '${RUN_DIR}/containerd'

[grpc]
  address = '${paths.containerdSocket}'

[ttrpc]
  address = '${paths.containerdSocket}.ttrpc'

# By default shims and runc keep theirs below /run/containerd, as those of another containerd or Docker here do.
[plugins.'io.containerd.shim.v1.manager']
  socket_dir = '${SHIM_SOCKETS}'

[plugins.'io.containerd.internal.v1.opt']
  path = '${paths.containerd}/opt'

[plugins.'io.containerd.nri.v1.nri']
  disable = true

[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = '${pauseImage}'

[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = ${traits.restrictOomScoreAdj}
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ['${paths.current}/cni']
    conf_dir = '${paths.current}/etc/cni'
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
    runtime_type = 'io.containerd.runc.v2'
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
      BinaryName = '${paths.bin}/runc'
      Root = '${RUNC_STATE}'
      SystemdCgroup = ${!traits.cgroupV1}
`;
}

const HOST_NETWORK = { cniVersion: '1.0.0', name: 'host-network', plugins: [{ type: 'loopback' }] };
/** The only network configuration there is: every pod is on the host network. */
export const CNI_CONFIG = `${JSON.stringify(HOST_NETWORK, null, 2)}\n`;
