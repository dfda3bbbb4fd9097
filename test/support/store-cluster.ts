import { existsSync, statfsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { NatsConnection } from '@nats-io/transport-node';
import type { Topology } from '../../src/bus/config.ts';
import { connectBus } from '../../src/bus/connect.ts';
import { busPeers } from '../../src/bus/instances.ts';
import { BusServer, type BusServerOptions } from '../../src/bus/server.ts';
import { streamPipe } from '../../src/bus/stream.ts';
import type { Limits } from '../../src/store/core/options.ts';
import { openReplica } from '../../src/store/open.ts';
import type { Replica } from '../../src/store/replica.ts';
import { busFiles, freePorts, NATS_SERVER, type BusFiles } from './bus-files.ts';
import { until } from './local-cloud.ts';
import { ROOMY, contents } from './store-temp.ts';

/** In a member's folder: its server's copies of streams, without what the servers agree by. */
export const STREAMS = 'cloud/state/jetstream/jetstream/TERRARIUM/streams';

export interface Member {
  name: string;
  /** Another one with these is its next process. */
  options: BusServerOptions;
  server: BusServer;
  /** Its replica's folder. */
  dir: string;
  /** Its own copies of streams. */
  streams: string;
  connection?: NatsConnection;
  replica?: Replica;
}

/**
 * Real nats-servers over TLS on loopback addresses, each with a replica in this process that is connected to its own
 * server first.
 */
export interface TestCluster {
  members: Member[];
  log: string[];
  files: BusFiles;
  /** With limits that snapshots and purges are reached in a test, if not others are given. */
  open(member: Member, limits?: Limits): Promise<Replica>;
  /** One that is the only instance. */
  openSingle(member: Member): Promise<Replica>;
  /** All servers become a cluster with JetStream. */
  grow(): Promise<void>;
  /**
   * From now on these are the registered instances: servers learn of it, and those of them that have not run yet are
   * started.
   */
  register(members: Member[]): Promise<void>;
  close(member: Member): Promise<void>;
  /** As `close`, and its server ends by a SIGKILL and is not started again. */
  kill(member: Member): Promise<void>;
  ready(members?: Member[]): Promise<void>;
  /** Waits until all are at the same position, and fails where their tables are not equal row by row. */
  equal(): Promise<void>;
  stop(): Promise<void>;
}

/** Bytes, on the fullest of their file systems. */
function roomOf(dirs: string[]): number {
  return Math.min(
    ...dirs
      .filter((dir) => existsSync(dir))
      .map((dir) => statfsSync(dir))
      .map(({ bavail, bsize }) => bavail * bsize),
  );
}

type Node = Topology['servers'][number];

/** All members have this in common. */
interface Site {
  nodes: Node[];
  files: BusFiles;
  port: number;
  clusterPort: number;
  websocketPort: number;
  note(name: string, line: string): void;
}

function serverOptions(site: Site, { name, address }: Node, topology: Topology): BusServerOptions {
  const { files, port, clusterPort, websocketPort, note } = site;
  const streams = join(files.data(name), STREAMS);
  return {
    binary: NATS_SERVER,
    topology,
    log: (line) => note(name, line),
    roomy: () => roomOf([files.data(name), dirname(streams)]) > 16e6,
    settings: {
      node: name,
      address,
      port,
      clusterPort,
      websocketPort,
      clusterId: 'test',
      tlsDir: join(files.data(name), 'cloud/tls'),
      stateDir: join(files.data(name), 'cloud/state'),
    },
  };
}

function makeMember(site: Site, node: Node, topology: Topology): Member {
  return {
    name: node.name,
    dir: join(site.files.data(node.name), 'replica'),
    streams: join(site.files.data(node.name), STREAMS),
    options: serverOptions(site, node, topology),
    server: new BusServer(serverOptions(site, node, topology)),
  };
}

/** Opens the replica of a member, connected to its own server first. */
async function openMember(
  { nodes, files, port, note }: Site,
  member: Member,
  limits: Limits,
  instances: () => { name: string }[],
): Promise<Replica> {
  const own = nodes.findIndex((n) => n.name === member.name);
  const servers = [...nodes.slice(own), ...nodes.slice(0, own)].map((n) => `${n.address}:${port}`);
  member.connection = await connectBus({
    servers,
    tls: files.cloudTls(member.name),
    name: `cloud ${member.name}`,
    inOrder: true,
    onlyThese: true,
  });
  member.replica = await openReplica({
    self: member.name,
    dir: member.dir,
    log: (line) => note(member.name, line),
    space: () => ROOMY,
    limits,
    cluster: {
      pipe: streamPipe(member.connection, member.streams),
      peers: busPeers(member.connection, member.name),
      instances,
    },
  });
  return member.replica;
}

async function closeMember(member: Member): Promise<void> {
  const { replica, connection } = member;
  // Writers look for another one from here on.
  delete member.replica;
  await replica?.stop();
  await connection?.close();
  delete member.connection;
}

async function killMember(member: Member): Promise<void> {
  const { pid } = member.server;
  // Said before the signal, which else counts as a crash.
  const stopped = member.server.stop();
  if (pid !== undefined) {
    process.kill(pid, 'SIGKILL');
  }
  await Promise.all([stopped, closeMember(member)]);
}

/** Waits for a state of members. @throws Error with their status and the log */
async function untilMembers(what: string, members: Member[], log: string[], reached: () => boolean): Promise<void> {
  await until(what, () => (reached() ? true : undefined), 60_000).catch((error: Error) => {
    throw new Error(`${error.message}\n${JSON.stringify(members.map((m) => m.replica?.status()))}\n${log.join('\n')}`);
  });
}

function haveOnePosition(members: Member[]): boolean {
  const places = members.map(
    (m) => `${m.replica?.status().state} ${m.replica?.status().epoch} ${m.replica?.position()}`,
  );
  return places.every((p) => p === places[0] && p.startsWith('ready'));
}

/** @throws Error where the tables of members are not equal row by row. */
function compareTables(members: Member[]): void {
  const [first, ...rest] = members.map((m) => ({ name: m.name, rows: contents((m.replica as Replica).db) }));
  for (const other of rest) {
    for (const [table, rows] of Object.entries(first?.rows ?? {})) {
      const theirs = other.rows[table] ?? [];
      const different = rows.findIndex((row, i) => row !== theirs[i]);
      if (rows.length !== theirs.length || different >= 0) {
        throw new Error(
          `${table} differs on ${first?.name} (${rows.length} rows) and ${other.name} (${theirs.length}): ` +
            `${String(rows[different])} | ${String(theirs[different])}`,
        );
      }
    }
  }
}

/**
 * @param alone the first server only, by itself and without JetStream, until `grow`.
 * @param prepare gets each member's folder, with all of its files in it, before anything is started.
 * @param spare so many of them, the last ones, have no part in it until `register`.
 */
export async function startCluster(
  count: number,
  alone = false,
  prepare: (dir: string) => void = () => undefined,
  spare = 0,
): Promise<TestCluster> {
  const nodes = Array.from({ length: count }, (_, i) => ({ name: `n${i + 1}`, address: `127.0.0.${i + 1}` }));
  const files = await busFiles(nodes);
  for (const { name } of nodes) {
    prepare(files.data(name));
  }
  const [port = 0, clusterPort = 0, websocketPort = 0] = await freePorts(3);
  let registered = nodes.slice(0, count - spare);
  const topology: Topology = { servers: registered, satellites: [], jetstream: true };
  const log: string[] = [];
  const started = Date.now();
  const note = (name: string, line: string): void =>
    void log.push(`${((Date.now() - started) / 1000).toFixed(2)} ${name} ${line}`);
  const site: Site = { nodes, files, port, clusterPort, websocketPort, note };
  const onlyFirst: Topology = { servers: nodes.slice(0, 1), satellites: [], jetstream: false };
  const members = nodes.map((node) => makeMember(site, node, alone && node.name === 'n1' ? onlyFirst : topology));
  await Promise.all(members.slice(0, alone ? 1 : registered.length).map((m) => m.server.start()));
  return {
    members,
    log,
    files,
    open: (member, limits = { snapshotEntries: 400, snapshotMs: 60_000, logMargin: 50 }) =>
      openMember(site, member, limits, () => registered.map(({ name }) => ({ name }))),
    async openSingle(member) {
      member.replica = await openReplica({
        self: member.name,
        dir: member.dir,
        log: (line) => note(member.name, line),
        space: () => ROOMY,
      });
      return member.replica;
    },
    async grow() {
      const [first, ...others] = members;
      await Promise.all([first?.server.apply(topology), ...others.map((m) => m.server.start())]);
    },
    async register(some) {
      registered = nodes.filter((n) => some.some((m) => m.name === n.name));
      const next = { ...topology, servers: registered };
      await Promise.all(
        some.map(async (m) => {
          m.options = { ...m.options, topology: next };
          if (m.server.starts > 0) {
            return m.server.apply(next);
          }
          m.server = new BusServer(m.options);
          return m.server.start();
        }),
      );
    },
    kill: killMember,
    close: closeMember,
    ready: (some = members) =>
      untilMembers('all ready', some, log, () => some.every((m) => m.replica?.status().state === 'ready')),
    async equal() {
      await untilMembers('one position', members, log, () => haveOnePosition(members));
      compareTables(members);
    },
    async stop() {
      await Promise.all(members.map(closeMember));
      await Promise.all(members.map((m) => m.server.stop()));
      files.remove();
    },
  };
}
