import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { PORT_NAMES, type Ports } from '../installer/cluster/ports.ts';
import { DEFAULT_ZONE, zoneName } from '../installer/cluster/zone.ts';
import { Failure } from './errors.ts';

/** What the ConfigMap `cluster` tells cloud and satellite, mounted as a file. */
const schema = z.object({
  id: z.string().min(1),
  name: z.string().min(1),
  version: z.string().min(1),
  ports: z.custom<Ports>(
    (v) => typeof v === 'object' && v !== null && PORT_NAMES.every((n) => Number.isInteger((v as Ports)[n])),
    'must hold every port',
  ),
  serviceRange: z.string(),
  consoleName: z.string().optional(),
  /** Of the cloud's own DNS server. */
  zone: zoneName.default(DEFAULT_ZONE),
  /** Addresses of the control-plane nodes, where the bus is. */
  controlPlanes: z.array(z.string()).default([]),
});

export type ClusterConfig = z.infer<typeof schema>;

export const CLUSTER_CONFIG = '/etc/terrarium/cluster.json';

/**
 * Reads the cluster's facts (default: TERRARIUM_CLUSTER_CONFIG, else /etc/terrarium/cluster.json).
 * @throws Failure `bad-cluster-config`
 */
export function loadClusterConfig(
  file: string = process.env['TERRARIUM_CLUSTER_CONFIG'] ?? CLUSTER_CONFIG,
): ClusterConfig {
  try {
    return schema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (error) {
    throw new Failure(
      'bad-cluster-config',
      `${file} cannot be read: ${error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message}.`,
      { cause: error },
    );
  }
}
