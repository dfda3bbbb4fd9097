import { stringify } from 'yaml';
import { SATELLITE_UID } from '../../installer/node/stack-credentials.ts';
import { STACK_IMAGE } from '../../installer/node/stack-manifests.ts';
import { CLOUDS_FILE } from '../satellite/clouds.ts';
import type { EnrolmentTokenReply, ManifestBody } from './satellites-api.ts';

const NAME = 'terrarium-satellite';
const DATA = '/var/lib/terrarium';
const TOKEN_DIR = '/etc/terrarium-token';

/** The image of this release, as `bundle` has it; another cluster must have it too. */
export const SATELLITE_IMAGE = STACK_IMAGE;

/**
 * YAML by which another cluster gets a satellite: one Deployment that enrols by itself at its first start and keeps its
 * key and history on a volume. The one secret in it is the token, which is good once and for a while.
 */
export function satelliteManifest(
  body: ManifestBody,
  token: Pick<EnrolmentTokenReply, 'token' | 'caHash' | 'addresses'>,
): string {
  const { namespace } = body;
  const labels = { 'app.kubernetes.io/name': NAME, 'app.kubernetes.io/part-of': 'terrarium' };
  const meta = { name: NAME, namespace, labels };
  const role = `${NAME}:${namespace}`;
  const program = '/usr/local/bin/terrarium';
  const container = {
    image: body.image ?? SATELLITE_IMAGE,
    imagePullPolicy: 'IfNotPresent',
    env: [
      { name: 'TERRARIUM_DATA', value: DATA },
      { name: 'TERRARIUM_CLOUDS_FILE', value: `${CLOUDS_FILE}-none` },
      { name: 'TERRARIUM_API', value: 'https://kubernetes.default.svc' },
      { name: 'TERRARIUM_PODS', value: 'all' },
    ],
    securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
    resources: { requests: { cpu: '20m', memory: '64Mi' }, limits: { memory: '1536Mi' } },
  };
  const mounts = [
    { name: 'state', mountPath: DATA },
    { name: 'tmp', mountPath: '/tmp' },
  ];
  const documents = [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: meta, automountServiceAccountToken: false },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: { name: role, labels },
      rules: [{ apiGroups: [''], resources: ['pods', 'events'], verbs: ['list', 'watch'] }],
    },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name: role, labels },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
      subjects: [{ kind: 'ServiceAccount', name: NAME, namespace }],
    },
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: meta,
      type: 'Opaque',
      data: { token: Buffer.from(token.token, 'utf8').toString('base64') },
    },
    {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: meta,
      spec: {
        accessModes: ['ReadWriteOnce'],
        resources: { requests: { storage: body.storage } },
        ...(body.storageClass === undefined ? {} : { storageClassName: body.storageClass }),
      },
    },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: meta,
      spec: {
        replicas: 1,
        // Two at once would be one satellite twice.
        strategy: { type: 'Recreate' },
        selector: { matchLabels: { 'app.kubernetes.io/name': NAME } },
        template: {
          metadata: { labels },
          spec: {
            serviceAccountName: NAME,
            automountServiceAccountToken: true,
            enableServiceLinks: false,
            terminationGracePeriodSeconds: 10,
            securityContext: {
              runAsNonRoot: true,
              runAsUser: SATELLITE_UID,
              runAsGroup: SATELLITE_UID,
              fsGroup: SATELLITE_UID,
              seccompProfile: { type: 'RuntimeDefault' },
            },
            initContainers: [
              {
                ...container,
                name: 'enrol',
                command: [
                  program,
                  'satellite',
                  'enrol',
                  token.addresses.join(','),
                  '--ca-hash',
                  token.caHash,
                  '--id',
                  body.id,
                  '--data',
                  DATA,
                  '--token-file',
                  `${TOKEN_DIR}/token`,
                  '--if-needed',
                  '--wait',
                  '600',
                ],
                volumeMounts: [...mounts, { name: 'token', mountPath: TOKEN_DIR, readOnly: true }],
              },
            ],
            containers: [{ ...container, name: 'satellite', command: [program, 'satellite'], volumeMounts: mounts }],
            volumes: [
              { name: 'state', persistentVolumeClaim: { claimName: NAME } },
              { name: 'token', secret: { secretName: NAME, defaultMode: 0o440 } },
              { name: 'tmp', emptyDir: { sizeLimit: '64Mi' } },
            ],
          },
        },
      },
    },
  ];
  return (
    `# A satellite of a Terrarium cluster: kubectl apply -f. The image ${container.image} must be there, or in a ` +
    'registry under the name that is given here.\n' +
    `${documents.map((d) => stringify(d, { aliasDuplicateObjects: false, lineWidth: 0 })).join('---\n')}`
  );
}
