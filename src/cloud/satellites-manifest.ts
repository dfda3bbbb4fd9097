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

const PROGRAM = '/usr/local/bin/terrarium';
const LABELS = { 'app.kubernetes.io/name': NAME, 'app.kubernetes.io/part-of': 'terrarium' };

type Token = Pick<EnrolmentTokenReply, 'token' | 'caHash' | 'addresses'>;

/**
 * YAML by which another cluster gets a satellite: one Deployment that enrols by itself at its first start and keeps its
 * key and history on a volume. The one secret in it is the token, which is good once and for a while.
 */
export function satelliteManifest(body: ManifestBody, token: Token): string {
  const { namespace } = body;
  const meta = { name: NAME, namespace, labels: LABELS };
  const image = body.image ?? SATELLITE_IMAGE;
  const documents = [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: meta, automountServiceAccountToken: false },
    ...accessDocuments(namespace),
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
        template: { metadata: { labels: LABELS }, spec: podSpec(body.id, image, token) },
      },
    },
  ];
  return (
    `# A satellite of a Terrarium cluster: kubectl apply -f. The image ${image} must be there, or in a ` +
    'registry under the name that is given here.\n' +
    `${documents.map((d) => stringify(d, { aliasDuplicateObjects: false, lineWidth: 0 })).join('---\n')}`
  );
}

/** What the satellite may read of its cluster. */
function accessDocuments(namespace: string): object[] {
  const role = `${NAME}:${namespace}`;
  return [
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: { name: role, labels: LABELS },
      rules: [{ apiGroups: [''], resources: ['pods', 'events'], verbs: ['list', 'watch'] }],
    },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name: role, labels: LABELS },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
      subjects: [{ kind: 'ServiceAccount', name: NAME, namespace }],
    },
  ];
}

function podSpec(id: string, image: string, token: Token): object {
  const container = {
    image,
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
  return {
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
        command: enrolCommand(id, token),
        volumeMounts: [...mounts, { name: 'token', mountPath: TOKEN_DIR, readOnly: true }],
      },
    ],
    containers: [{ ...container, name: 'satellite', command: [PROGRAM, 'satellite'], volumeMounts: mounts }],
    volumes: [
      { name: 'state', persistentVolumeClaim: { claimName: NAME } },
      { name: 'token', secret: { secretName: NAME, defaultMode: 0o440 } },
      { name: 'tmp', emptyDir: { sizeLimit: '64Mi' } },
    ],
  };
}

const enrolCommand = (id: string, { addresses, caHash }: Token): string[] => [
  PROGRAM,
  'satellite',
  'enrol',
  addresses.join(','),
  '--ca-hash',
  caHash,
  '--id',
  id,
  '--data',
  DATA,
  '--token-file',
  `${TOKEN_DIR}/token`,
  '--if-needed',
  '--wait',
  '600',
];
