import { createHash } from 'node:crypto';
import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import { hostPort } from '../host-port.ts';
import type { Identity } from '../pki/authority.ts';
import { MOST_CONNECT_MS } from './connect.ts';
import { BUS_SERVER_NAME, busName, cloudClientIdentity, enrolledIdentity, satelliteIdentity } from './identities.ts';
import { subjects } from './subjects.ts';

/** Who takes part in the bus; what changes in a running cluster. */
export interface Topology {
  /** Control-plane nodes, this one included. */
  servers: { name: string; address: string }[];
  /** Nodes whose satellites may connect. */
  satellites: string[];
  /** Satellites of other machines that have enrolled and are not revoked. */
  enrolled?: readonly EnrolledSatellite[];
  /** Certificates, PEM, of the authorities that signed for those; trusted for clients, never for servers of the bus. */
  authorities?: readonly string[];
  /** Whether JetStream is on: from the day there have been three servers. */
  jetstream: boolean;
}

export interface EnrolledSatellite {
  id: string;
  /** `keyId` of its public key: a certificate of the same id for another key is somebody else's. */
  key: string;
  /** Its public nkey (`U…`), by which it may connect over WebSocket; undefined: by TLS only. */
  nkey?: string;
}

/** What stays the same for as long as the server lives. */
export interface ServerSettings {
  node: string;
  address: string;
  port: number;
  clusterPort: number;
  /** On loopback, behind the console's port: satellites come there by WebSocket. */
  websocketPort: number;
  clusterId: string;
  /** Folder with ca.crt, server.crt, server.key. */
  tlsDir: string;
  /** Folder for nats.conf and JetStream's store. */
  stateDir: string;
}

const q = (text: string): string => JSON.stringify(text);
const url = (address: string, port: number): string => q(`nats://${hostPort(address, port)}`);

/** Once JetStream is on it stays a cluster, even of one: a lone server would take its store for an orphan's. */
function isCluster(topology: Topology): boolean {
  return topology.servers.length > 1 || topology.jetstream;
}

/** Where the WebSocket listener is: on loopback, which several servers on one machine have to share out. */
export function websocketHost(address: string): string {
  if (address.startsWith('127.')) {
    return address;
  }
  return isIPv6(address) ? '::1' : '127.0.0.1';
}

/**
 * All that clients of the bus may be signed by, as one file whose name tells its content; undefined where that is
 * ca.crt alone.
 */
export function clientAuthorities(
  settings: ServerSettings,
  topology: Topology,
  ca: string,
): { file: string; pem: string } | undefined {
  const file = clientCaFile(settings, topology);
  return file === undefined
    ? undefined
    : {
        file,
        pem: [ca, ...(topology.authorities ?? [])]
          .map((pem) => pem.trimEnd())
          .join('\n')
          .concat('\n'),
      };
}

function clientCaFile(settings: ServerSettings, { authorities = [] }: Topology): string | undefined {
  if (authorities.length === 0) {
    return undefined;
  }
  return join(
    settings.stateDir,
    `clients-ca-${createHash('sha256').update(authorities.join()).digest('hex').slice(0, 16)}.crt`,
  );
}

/** Users of everybody who may connect as a client. */
export function clientUsers(topology: Topology): Set<string> {
  const identities = [
    ...topology.servers.map((s) => cloudClientIdentity(s.name)),
    ...satelliteUsers(topology).map((s) => s.identity),
  ];
  return new Set([
    BUS_SERVER_NAME,
    ...identities.map(busName),
    ...(topology.enrolled ?? []).flatMap((s) => s.nkey ?? []),
  ]);
}

function satelliteUsers(topology: Topology): { id: string; identity: Identity }[] {
  return [
    ...topology.satellites.map((id) => ({ id, identity: satelliteIdentity(id) })),
    ...(topology.enrolled ?? []).map(({ id, key }) => ({ id, identity: enrolledIdentity(id, key) })),
  ];
}

/**
 * True where going from one topology to the other needs a new process: clustering and JetStream cannot be switched on
 * by a reload.
 */
export function needsRestart(from: Topology, to: Topology): boolean {
  return isCluster(from) !== isCluster(to) || from.jetstream !== to.jetstream;
}

/**
 * nats-server's configuration. Every listener asks for a certificate of our CA, and there is no other (no monitor, no
 * leaf nodes).
 *
 * A user is the URI of a certificate (`spiffe://satellite.bus.terrarium.internal/n1`): it has no password that could
 * leak. Such users may come by the TLS port only (STANDARD): on the WebSocket listener, to which the cloud pipes what
 * others send, nothing is mapped from a certificate, and a user without password could be claimed by his name alone.
 * Whoever comes there signs the server's nonce with an nkey.
 */
export function natsConfig(settings: ServerSettings, topology: Topology): string {
  const ca = join(settings.tlsDir, 'ca.crt');
  const tls = (caFile: string, extra: string, seconds = 5): string =>
    `tls { cert_file: ${q(join(settings.tlsDir, 'server.crt'))}, key_file: ` +
    `${q(join(settings.tlsDir, 'server.key'))}, ca_file: ${q(caFile)}, verify_and_map: true, min_version: "1.2", ` +
    `timeout: ${seconds}${extra} }`;
  const byTls = 'allowed_connection_types: ["STANDARD"]';
  const ownSubjects = (id: string): string =>
    `permissions: { publish: { allow: [${q(subjects.heartbeat(id))}, ${q(subjects.repliesFrom(id))}, ` +
    `${q(subjects.askDirect(id))}, ${q(subjects.askRenewal(id))}] }, subscribe: { allow: ` +
    `[${q(subjects.forSatellite(id))}] } }`;
  const clouds = topology.servers.map((s) => `{ user: ${q(busName(cloudClientIdentity(s.name)))}, ${byTls} }`);
  // One that stands there twice would make the server refuse all of its configuration.
  const keys = new Map(
    (topology.enrolled ?? []).flatMap(({ id, nkey }): [string, string][] => (nkey === undefined ? [] : [[nkey, id]])),
  );
  const satellites = [
    ...satelliteUsers(topology).map(
      ({ id, identity }) => `{ user: ${q(busName(identity))}, ${byTls}, ${ownSubjects(id)} }`,
    ),
    ...[...keys].map(
      ([nkey, id]) => `{ nkey: ${q(nkey)}, allowed_connection_types: ["WEBSOCKET"], ${ownSubjects(id)} }`,
    ),
  ];
  const lines = [
    `server_name: ${q(settings.node)}`,
    `host: ${q(settings.address)}`,
    `port: ${settings.port}`,
    // As long as a satellite has patience with it: what a busy server breaks off begins anew.
    tls(clientCaFile(settings, topology) ?? ca, ', handshake_first: true', MOST_CONNECT_MS / 1_000),
    'max_payload: 1MB',
    'max_connections: 12000',
    'write_deadline: "5s"',
    // A machine that loses its power says no goodbye: its peers move on after 10 to 15 s.
    'ping_interval: "5s"',
    'ping_max: 2',
    // The shortest that nats-server takes; the wrapper does not wait for all of it.
    'lame_duck_duration: "30s"',
    'lame_duck_grace_period: "2s"',
    'system_account: SYS',
    'accounts {',
    `  SYS { users: [ { user: ${q(BUS_SERVER_NAME)}, ${byTls} } ] }`,
    `  TERRARIUM {${topology.jetstream ? ' jetstream: enabled' : ''}`,
    '    users: [',
    ...[...clouds, ...satellites].map((u) => `      ${u}`),
    '    ]',
    '  }',
    '}',
  ];
  // A certificate opens this listener, the pipe's, and says nothing about who comes through the pipe.
  lines.push(
    `websocket { host: ${q(websocketHost(settings.address))}, port: ${settings.websocketPort}, handshake_timeout: ` +
      `"5s", ${tls(ca, '').replace('verify_and_map', 'verify')} }`,
  );
  if (isCluster(topology)) {
    const others = topology.servers.filter((s) => s.name !== settings.node);
    lines.push(
      'cluster {',
      `  name: ${q(`terrarium-${settings.clusterId}`)}`,
      `  host: ${q(settings.address)}`,
      `  port: ${settings.clusterPort}`,
      // With verify_and_map the user is a name in the certificate; the password is never compared.
      `  authorization { user: ${q(BUS_SERVER_NAME)}, password: "unused", timeout: 5 }`,
      `  ${tls(ca, '')}`,
      `  routes: [${others.map((s) => url(s.address, settings.clusterPort)).join(', ')}]`,
      '}',
    );
  }
  if (topology.jetstream) {
    lines.push(
      `jetstream { store_dir: ${q(join(settings.stateDir, 'jetstream'))}, sync_interval: always, max_file_store: ` +
        '2GB, max_memory_store: 64MB }',
    );
  }
  return `${lines.join('\n')}\n`;
}
