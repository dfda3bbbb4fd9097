import { isIP, isIPv6 } from 'node:net';
import { z } from 'zod';
import { EXIT, Failure } from '../../src/errors.ts';
import { PORTS, PORT_NAMES, type PortName, type Ports } from './ports.ts';
import { zoneName } from './zone.ts';

/**
 * cluster.yaml: what the administrator writes. `terrarium init` writes a commented one.
 * Only `hosts` is required.
 */
const hostSchema = z.strictObject({
  /** Node name; default: the machine's host name. Folded to lower case once, here. */
  name: z
    .string()
    .regex(
      /^[A-Za-z0-9]([A-Za-z0-9.-]{0,52}[A-Za-z0-9])?$/,
      'must be a host name of at most 54 letters, digits, dots and dashes',
    )
    .optional(),
  role: z.enum(['control-plane', 'worker']).optional(),
  /** The address by which the other nodes reach this one. */
  address: z.string().refine((a) => isIP(a) !== 0, 'must be an IPv4 or IPv6 address'),
  ssh: z
    .strictObject({
      address: z.string().min(1).optional(),
      port: z.int().min(1).max(65535).optional(),
      user: z.string().min(1).optional(),
      key: z.string().min(1).optional(),
    })
    .optional(),
  /** This very machine: no ssh. */
  local: z.boolean().optional(),
});

const portNumber = z.int().min(1).max(65535);
const absolutePath = z.string().regex(/^\/[A-Za-z0-9._/-]+$/, 'must be an absolute path without spaces');

export const clusterFileSchema = z.strictObject({
  apiVersion: z.literal('terrarium/v1'),
  kind: z.literal('Cluster'),
  name: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/, 'must be lower-case letters, digits and dashes, at most 32')
    .default('terrarium'),
  hosts: z.array(hostSchema).min(1, 'must name at least one host'),
  ssh: z
    .strictObject({
      port: portNumber.optional(),
      user: z.string().min(1).optional(),
      key: z.string().min(1).optional(),
      /** File with the machines' host keys, as OpenSSH's; default ~/.terrarium/known_hosts. */
      knownHosts: z.string().min(1).optional(),
    })
    .optional(),
  network: z
    .strictObject({
      serviceRange: z
        .string()
        .regex(/^[0-9a-fA-F.:]+\/[0-9]+$/, 'must be a CIDR')
        .optional(),
    })
    .optional(),
  ports: z
    .strictObject(
      Object.fromEntries(PORT_NAMES.map((n) => [n, portNumber.optional()])) as Record<
        PortName,
        z.ZodOptional<typeof portNumber>
      >,
    )
    .optional(),
  paths: z.strictObject({ prefix: absolutePath.optional(), data: absolutePath.optional() }).optional(),
  console: z
    .strictObject({
      name: z.string().min(1).optional(),
      tlsCert: z.string().min(1).optional(),
      tlsKey: z.string().min(1).optional(),
    })
    .optional(),
  dns: z.strictObject({ zone: zoneName.optional() }).optional(),
  preflight: z
    .strictObject({
      overrides: z
        .array(z.strictObject({ check: z.string().min(1), reason: z.string().min(3, 'must say why') }))
        .optional(),
    })
    .optional(),
});
export type ClusterFile = z.infer<typeof clusterFileSchema>;

export type Role = 'control-plane' | 'worker';

export interface SshTarget {
  address: string;
  port: number;
  user: string;
  /** Path of the private key on the machine that runs the CLI; the ssh agent is used where it is not given. */
  key: string | undefined;
  /** File of host keys; ~/.terrarium/known_hosts where it is not given. */
  knownHosts?: string | undefined;
}

/** How the CLI reaches a machine; never sent to the nodes. */
export interface HostTarget {
  address: string;
  /** As given; undefined until facts tell the host name. */
  name: string | undefined;
  role: Role;
  ssh: SshTarget | undefined;
}

/** A node as the whole cluster knows it. */
export interface NodeSpec {
  name: string;
  address: string;
  role: Role;
}

/** What an operation works from, equal on every node; written to the nodes (mode 0600). Holds no secret. */
export interface ClusterSpec {
  /** Random, made once by the first install; the journal, certificates and tokens carry it. */
  id: string;
  name: string;
  nodes: NodeSpec[];
  family: 4 | 6;
  serviceRange: string;
  ports: Ports;
  prefix: string;
  data: string;
  consoleName: string | undefined;
  /** Of the cloud's own DNS server; undefined: DEFAULT_ZONE. */
  zone?: string;
  overrides: { check: string; reason: string }[];
}

export const DEFAULT_PREFIX = '/opt/terrarium';
export const DEFAULT_DATA = '/var/lib/terrarium';

function invalid(message: string, remedy: string): Failure {
  return new Failure('bad-cluster-file', message, { remedy, exitCode: EXIT.usage });
}

/**
 * Checks what a file or flags say and fills in the defaults.
 * @throws Failure `bad-cluster-file` naming the key, the host and the remedy.
 */
export function parseClusterFile(value: unknown, where: string): ClusterFile {
  const parsed = clusterFileSchema.safeParse(value);
  if (parsed.success) {
    return parsed.data;
  }
  const issue = parsed.error.issues[0];
  const path = issue === undefined || issue.path.length === 0 ? 'the file' : issue.path.join('.');
  throw invalid(
    `${where}: ${path}: ${issue?.message ?? 'is not valid'}.`,
    'Run `terrarium init` for a commented example.',
  );
}

export interface SshDefaults {
  user: string;
  port: number;
  key: string | undefined;
}

/**
 * What the machines are named for: to be a cluster together, or each for itself (an uninstall, which may leave some
 * out).
 */
export type Purpose = 'cluster' | 'machines';

/** How many of these machines are control planes where no role is given: an odd number, so that a majority exists. */
function automaticControlPlanes(machines: number): number {
  return [5, 3].find((count) => machines >= count) ?? machines;
}

/**
 * The machines of a file with ssh defaults and roles filled in: the first 1, 3 or 5 hosts are control planes unless
 * roles are given.
 */
export function hostTargets(file: ClusterFile, defaults: SshDefaults, purpose: Purpose = 'cluster'): HostTarget[] {
  const explicit = file.hosts.some((h) => h.role !== undefined);
  const automatic = automaticControlPlanes(file.hosts.length);
  const targets = file.hosts.map((h, index): HostTarget => ({
    address: h.address,
    name: h.name?.toLowerCase(),
    role: h.role ?? (!explicit && index < automatic ? 'control-plane' : 'worker'),
    ssh:
      h.local === true
        ? undefined
        : {
            address: h.ssh?.address ?? h.address,
            port: h.ssh?.port ?? file.ssh?.port ?? defaults.port,
            user: h.ssh?.user ?? file.ssh?.user ?? defaults.user,
            key: h.ssh?.key ?? file.ssh?.key ?? defaults.key,
            knownHosts: file.ssh?.knownHosts,
          },
  }));
  checkTargets(targets);
  if (purpose === 'cluster') {
    checkCluster(targets);
  }
  return targets;
}

function checkTargets(targets: HostTarget[]): void {
  const seen = new Set<string>();
  for (const t of targets) {
    if (seen.has(t.address)) {
      throw invalid(`Host ${t.address} is listed twice.`, 'Remove one of the two lines.');
    }
    seen.add(t.address);
  }
  const names = new Set<string>();
  for (const t of targets) {
    if (t.name === undefined) {
      continue;
    }
    if (names.has(t.name)) {
      throw invalid(
        `Two hosts are named ${t.name}.`,
        'Give each host a name of its own in cluster.yaml or rename one machine.',
      );
    }
    names.add(t.name);
  }
}

function checkCluster(targets: HostTarget[]): void {
  const planes = targets.filter((t) => t.role === 'control-plane');
  if (![1, 3, 5].includes(planes.length)) {
    throw invalid(
      `${planes.length} control-plane nodes are asked for (${planes.map((p) => p.name ?? p.address).join(', ')}), ` +
        'but etcd needs an odd number to survive a loss.',
      'Use 1 (evaluation), 3 or 5 control-plane nodes; give the others `role: worker`.',
    );
  }
  const families = new Set(targets.map((t) => (isIPv6(t.address) ? 6 : 4)));
  if (families.size > 1) {
    throw invalid('Some hosts have IPv4 addresses and some IPv6.', 'Use addresses of one family for all hosts.');
  }
}

/** Default service ranges that no network routes: part of 240.0.0.0/4, and RFC 9780's dummy prefix. */
export function defaultServiceRange(family: 4 | 6): string {
  return family === 6 ? '100:0:0:1::/108' : '240.96.0.0/16';
}

export function clusterPorts(file: Pick<ClusterFile, 'ports'>): Ports {
  const ports = Object.fromEntries(PORT_NAMES.map((n) => [n, file.ports?.[n] ?? PORTS[n].port])) as Ports;
  const taken = new Map<number, PortName>();
  for (const name of PORT_NAMES) {
    const other = taken.get(ports[name]);
    if (other !== undefined) {
      throw invalid(`ports.${name} and ports.${other} are both ${ports[name]}.`, 'Give each its own port.');
    }
    taken.set(ports[name], name);
  }
  for (const name of ['direct', 'dns'] as const) {
    if (ports[name] >= 1024) {
      continue;
    }
    throw invalid(
      `ports.${name} is ${ports[name]}, but what listens there has no privileges, and only root may listen below 1024.`,
      name === 'dns'
        ? 'Leave it out, and tell your resolver the port: `terrarium dns` prints how.'
        : 'Choose a port from 1024 on.',
    );
  }
  return ports;
}

export function controlPlanes(spec: Pick<ClusterSpec, 'nodes'>): NodeSpec[] {
  return spec.nodes.filter((n) => n.role === 'control-plane');
}
