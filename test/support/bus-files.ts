import { randomInt } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BusTls } from '../../src/bus/connect.ts';
import { cloudClientIdentity, cloudServerIdentity, satelliteIdentity } from '../../src/bus/identities.ts';
import { createAuthority, issue, type Identity, type KeyPair } from '../../src/pki/authority.ts';
import { testProgram } from './programs.ts';

/** nats-server for tests. */
export const NATS_SERVER = await testProgram('nats-server', 'NATS_SERVER');

/** The certificates of a cluster's nodes as the installer lays them down, in a temporary folder. */
export interface BusFiles {
  root: string;
  authority: KeyPair;
  /** DATA of a node: cloud/tls, cloud/state, satellite/tls below it. */
  data(node: string): string;
  cloudTls(node: string): BusTls;
  satelliteTls(node: string): BusTls;
  /** Files of any other identity by the same CA. */
  identity(name: string, identity: Identity): Promise<BusTls>;
  remove(): void;
}

export async function busFiles(nodes: { name: string; address: string }[]): Promise<BusFiles> {
  const root = mkdtempSync(join(tmpdir(), 'terrarium-bus-'));
  const now = new Date();
  const authority = await createAuthority('test', now);
  const put = async (dir: string, name: string, identity: Identity): Promise<BusTls> => {
    mkdirSync(dir, { recursive: true });
    const pair = await issue(authority, identity, now);
    writeFileSync(join(dir, 'ca.crt'), authority.cert);
    writeFileSync(join(dir, `${name}.crt`), pair.cert);
    writeFileSync(join(dir, `${name}.key`), pair.key, { mode: 0o600 });
    return { caFile: join(dir, 'ca.crt'), certFile: join(dir, `${name}.crt`), keyFile: join(dir, `${name}.key`) };
  };
  const data = (node: string): string => join(root, node);
  const clouds = new Map<string, BusTls>();
  const satellites = new Map<string, BusTls>();
  for (const node of nodes) {
    await put(join(data(node.name), 'cloud/tls'), 'server', cloudServerIdentity(node));
    clouds.set(node.name, await put(join(data(node.name), 'cloud/tls'), 'client', cloudClientIdentity(node.name)));
    satellites.set(
      node.name,
      await put(join(data(node.name), 'satellite/tls'), 'client', satelliteIdentity(node.name)),
    );
    mkdirSync(join(data(node.name), 'cloud/state'), { recursive: true });
  }
  const of = (map: Map<string, BusTls>, node: string): BusTls => {
    const tls = map.get(node);
    if (tls === undefined) {
      throw new Error(`no certificates for ${node}`);
    }
    return tls;
  };
  return {
    root,
    authority,
    data,
    cloudTls: (node) => of(clouds, node),
    satelliteTls: (node) => of(satellites, node),
    identity: (name, identity) => put(join(root, name), 'client', identity),
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
}

/**
 * Ports for test servers: below the ports that Linux gives to outgoing connections (ip_local_port_range, from 32,768),
 * so that no connection takes one before its server listens; each of tap's jobs, which run side by side, has its own.
 */
const FIRST_PORT = 14_000;
const PORTS_PER_JOB = 3_000;
const JOBS = 6;
const ownPorts = FIRST_PORT + (Number(process.env['TAP_JOB_ID'] ?? 0) % JOBS) * PORTS_PER_JOB;
let offset = randomInt(PORTS_PER_JOB);

/** `n` ports that are free now. @throws Error if this job has no free one left */
export async function freePorts(n: number): Promise<number[]> {
  const ports: number[] = [];
  for (let tried = 0; ports.length < n; tried += 1) {
    if (tried === PORTS_PER_JOB) {
      throw new Error(`none of the ports from ${ownPorts} to ${ownPorts + PORTS_PER_JOB - 1} is free`);
    }
    const port = ownPorts + offset;
    offset = (offset + 1) % PORTS_PER_JOB;
    if (await isFree(port)) {
      ports.push(port);
    }
  }
  return ports;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '0.0.0.0', () => server.close(() => resolve(true)));
  });
}
