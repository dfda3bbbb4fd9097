import { hostPort } from '../../src/host-port.ts';
import { renderManifest } from '../../src/kube/manifest.ts';
import { VERSION } from '../../src/version.ts';
import { PORT_NAMES } from '../cluster/ports.ts';
import { controlPlanes, type ClusterSpec } from '../cluster/spec.ts';
import { DEFAULT_ZONE } from '../cluster/zone.ts';
import { loopback } from './kubeadm-config.ts';
import { CLOUD_UID, SATELLITE_UID } from './stack-credentials.ts';

export const STACK_IMAGE = `terrarium.local/terrarium:${VERSION}`;

export const SYSTEM_NAMESPACE = 'terrarium-system';
/** Key of ConfigMap `cluster` that holds the whole ClusterSpec: what a join starts from. */
export const SPEC_KEY = 'spec.json';

export interface StackManifests {
  render(text: string): string;
  /** ConfigMaps `cluster` (cluster.json) and `clouds` (one host:port of the bus a line), ready to apply. */
  configMaps: string;
}

/** Puts a cluster's own values into the stack's manifests. */
export function renderStack(spec: ClusterSpec): StackManifests {
  const values: Record<string, string> = {
    VERSION,
    DATA: spec.data,
    IMAGE: STACK_IMAGE,
    LOOPBACK: loopback(spec),
    CLOUD_UID: String(CLOUD_UID),
    SATELLITE_UID: String(SATELLITE_UID),
  };
  for (const name of PORT_NAMES) {
    values[`PORT_${name.replace(/[A-Z]/g, (c) => `_${c}`).toUpperCase()}`] = String(spec.ports[name]);
  }
  const cluster = {
    id: spec.id,
    name: spec.name,
    version: VERSION,
    family: spec.family,
    ports: spec.ports,
    serviceRange: spec.serviceRange,
    zone: spec.zone ?? DEFAULT_ZONE,
    ...(spec.consoleName === undefined ? {} : { consoleName: spec.consoleName }),
  };
  const clouds = controlPlanes(spec)
    .map((n) => `${hostPort(n.address, spec.ports.nats)}\n`)
    .join('');
  return {
    render: (text) => renderManifest(text, values),
    configMaps: [
      configMap('cluster', { 'cluster.json': JSON.stringify(cluster), [SPEC_KEY]: JSON.stringify(spec) }),
      configMap('clouds', { clouds }),
    ].join('\n---\n'),
  };
}

export function configMap(name: string, data: Record<string, string>): string {
  return JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: SYSTEM_NAMESPACE }, data });
}
