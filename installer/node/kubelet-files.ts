/** The kubelet's own files; /var/lib/kubelet is a path that upstream hard-codes. */
export const KUBELET_PKI = '/var/lib/kubelet/pki';
export const KUBELET_KEY = `${KUBELET_PKI}/terrarium-client.key`;
export const KUBELET_REQUEST = `${KUBELET_PKI}/terrarium-client.csr`;
/** Certificate and key in one file, which the kubelet replaces by itself long before it ends. */
export const KUBELET_CLIENT = `${KUBELET_PKI}/kubelet-client-current.pem`;
export const KUBELET_CONF = '/etc/kubernetes/kubelet.conf';
