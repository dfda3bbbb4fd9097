import { stringify } from 'yaml';

/** The static pods that kubeadm writes, each a target of its patches. */
const STATIC_PODS = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler'] as const;

/** Seconds in which a static pod may begin to answer: as long as kubeadm itself waits for it, see TIMEOUTS. */
const STARTUP_SECONDS = 12 * 60;

/**
 * kubeadm's patches of the static pods, as file name and content (kubeadm.k8s.io/v1beta4, `patches.directory`; the name
 * is `TARGET+PATCHTYPE.yaml`). kubeadm lets the kubelet probe a new static pod for the first time between 10 and 20 s
 * after its start, however fast it is; here it is probed each second.
 */
export function staticPodPatches(): Record<string, string> {
  return Object.fromEntries(
    STATIC_PODS.map((name) => {
      const startupProbe = { initialDelaySeconds: 1, periodSeconds: 1, failureThreshold: STARTUP_SECONDS };
      return [`${name}+strategic.yaml`, stringify({ spec: { containers: [{ name, startupProbe }] } })];
    }),
  );
}
