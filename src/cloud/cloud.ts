import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NatsConnection } from '@nats-io/transport-node';
import type { CloudInfo, NodeInfo, Overview } from '../api/overview.ts';
import { clientUsers, websocketHost, type Topology } from '../bus/config.ts';
import { BUS_PATH, connectBus } from '../bus/connect.ts';
import type { Announcement } from '../bus/frames.ts';
import { monitorBus, type BusMonitor } from '../bus/monitor.ts';
import { BusServer } from '../bus/server.ts';
import { hostPort } from '../host-port.ts';
import { createKubeClient } from '../kube/client.ts';
import { serviceAccountAccess } from '../kube/service-account.ts';
import { openDatabase } from '../store/database.ts';
import { openFacts } from '../store/facts.ts';
import { openSatellites } from '../store/satellites.ts';
import { spaceOf } from '../store/space.ts';
import { spareWrites } from '../store/spare.ts';
import { VERSION } from '../version.ts';
import { API_PATHS } from './api-paths.ts';
import { openCredentials } from './auth/credentials.ts';
import { createFailedLogins } from './auth/failed-logins.ts';
import { trackSessions } from './auth/sessions.ts';
import { shareSessionUse } from './auth/shared-use.ts';
import { createThrottle } from './auth/throttle.ts';
import { createChanges } from './changes.ts';
import type { CloudContext, Enrolment } from './context.ts';
import { keepDeparted } from './departed.ts';
import { createDirect } from './direct/direct.ts';
import { keepDns, zoneData } from './direct/dns.ts';
import { watchDisk } from './disk.ts';
import { createApp } from './http/app.ts';
import { createBusPipe } from './http/bus-pipe.ts';
import { consoleFiles, loadConsole } from './http/console-files.ts';
import { openQuerySockets } from './http/query-sockets.ts';
import { serveHttps } from './http/server.ts';
import { upgrades } from './http/upgrades.ts';
import { createInstances } from './instances.ts';
import { watchKubernetes } from './kubernetes.ts';
import { createMetrics } from './metrics.ts';
import { createQueryProxy, type QueryProxy } from './queries.ts';
import { NOBODY } from './satellites-admission.ts';
import { openSatellitesAuthority, type SatellitesAuthority } from './satellites-authority.ts';
import { createGate } from './satellites-gate.ts';
import { createRenewals } from './satellites-renewal.ts';
import { createSatelliteRows } from './satellites-rows.ts';
import { keepStates } from './satellites-states.ts';
import { createSatelliteView } from './satellites-view.ts';
import { createRegistry } from './satellites.ts';
import { keepSchedules } from './schedules.ts';
import type { CloudSettings } from './settings.ts';
import { clusterState } from './state/cluster.ts';
import { createRecovery } from './state/recovery.ts';
import { createState, type ClusterState } from './state/state.ts';
import { loadTopology, saveTopology, savedTopology, topologyOf } from './topology.ts';

export interface Cloud {
  /** Stops politely; the order is: readers, bus, database. */
  stop(): Promise<void>;
}

const NAMESPACE = 'terrarium-system';
const SECRET = 'credentials';
/** Nodes come and go in bunches. */
const SETTLE_MS = 1_000;

/**
 * Starts one instance: database, console and API, nats-server, and what it watches. Works without Kubernetes, by what
 * it last knew.
 * @throws Failure `store`, `listen`, `bus-config`, `bus-start`
 */
export async function startCloud(settings: CloudSettings, log: (line: string) => void): Promise<Cloud> {
  const { config, node, address, tlsDir } = settings;
  const self = { name: node, address };
  const stopping = new AbortController();
  const startedAt = new Date().toISOString();
  const db = await openDatabase(join(settings.stateDir, 'cloud.db'));
  const spare = spareWrites(log);
  const facts = spare.facts(openFacts(db));
  const changes = createChanges();
  const credentials = openCredentials(facts);
  const registry = createRegistry(spare.satellites(openSatellites(db)), log);
  const disk = watchDisk(() => spaceOf(settings.stateDir));
  const natsDir = join(settings.stateDir, 'nats');
  const sessionUse = trackSessions();
  let cluster: ClusterState | undefined;
  const state = createState({
    self: node,
    dir: join(settings.stateDir, 'state'),
    log,
    cluster: (connection, names) => (cluster = clusterState(connection, node, natsDir, names)),
  });
  const satelliteRows = createSatelliteRows(state);
  const satellites = createSatelliteView(registry, satelliteRows, state);
  satellites.onChange((_, what) => (what === 'changed' ? changes.notify() : undefined));
  const recovery = createRecovery({ state, credentials: credentials.current, self: node, log });
  /**
   * Whether it has ever been known who belongs to the cluster: an instance that only supposes to be alone must not
   * begin a history of its own.
   */
  let known = savedTopology(facts, self) !== undefined;
  /** By the cluster's nodes; who of their satellites may connect is the gate's answer. */
  let members = loadTopology(facts, self);
  const bus = new BusServer({
    binary: settings.natsBinary,
    settings: {
      node,
      address,
      port: config.ports.nats,
      clusterPort: config.ports.natsCluster,
      websocketPort: config.ports.natsWebsocket,
      clusterId: config.id,
      tlsDir,
      stateDir: natsDir,
    },
    topology: { ...members, ...NOBODY },
    log,
    roomy: () => disk.full() === undefined,
  });
  let nc: NatsConnection | undefined;
  let connected = false;
  let connectedAt: number | undefined;
  let monitor: BusMonitor | undefined;
  let queries: QueryProxy | undefined;
  let stopDeparted: (() => Promise<void>) | undefined;

  const notReady = (): string | undefined => {
    if (stopping.signal.aborted) {
      return 'This instance is stopping.';
    }
    if (!connected) {
      return 'nats-server of this node is not reached.';
    }
    if (!db.open) {
      return 'The database is closed.';
    }
    if (bus.starved) {
      return (
        'The disk was full or could not be written, and the bus keeps no log on this node ' +
        'until there is room again.'
      );
    }
    return (
      disk.full() ??
      state.notReady() ??
      (recovery.pending() ? `The credentials of the Secret ${SECRET} are not in the state yet.` : undefined)
    );
  };
  const announcement = (): Announcement => {
    const reason = notReady();
    const warning = disk.low();
    return {
      name: node,
      node,
      version: VERSION,
      startedAt,
      ready: reason === undefined,
      directKey: direct.publicKey,
      ...(reason === undefined ? {} : { reason }),
      ...(warning === undefined ? {} : { warning }),
      nats: monitor?.current() ?? { role: 'none', peers: [], version: '' },
    };
  };
  const direct = createDirect({
    self: node,
    config,
    state,
    registry,
    log,
    servers: () => members.servers,
    admitted: (sat) => gate.admits(sat),
    keys: () => instances.directKeys(),
  });
  const renewals = createRenewals({
    state,
    authority: () => enrolment.authority(),
    admitted: (sat) => gate.admits(sat),
    log,
  });
  const instances = createInstances(announcement, changes, log);
  /** One on each control plane, by the cluster's nodes. */
  const clouds = (): CloudInfo[] => instances.all(members.servers.map((s) => s.name));

  const followState = (): void => {
    if (known && !stopping.signal.aborted) {
      state.follow(bus.topology, nc);
    }
  };
  /** By Kubernetes, since this instance started. */
  let nodesKnown = false;
  let waiting = false;
  let again: NodeJS.Timeout | undefined;
  let configured: Promise<void> = Promise.resolve();
  const sweep = async (topology: Topology): Promise<void> => {
    const cut = await monitor?.cut(clientUsers(topology));
    if (cut !== undefined && cut > 0) {
      log(`bus: ${cut} connections cut`);
    }
  };
  let sweeping: NodeJS.Timeout | undefined;
  /** Brings the server in line with nodes and satellites as they are when its turn comes; tries until it has worked. */
  const reconfigure = (): void => {
    clearTimeout(again);
    if (waiting) {
      return;
    }
    waiting = true;
    configured = configured.then(async () => {
      waiting = false;
      if (stopping.signal.aborted) {
        return;
      }
      const { revoked, until: _until, known: stateKnown, ...admitted } = gate.current();
      const topology: Topology = { ...members, ...admitted };
      registry.refuse(new Set(revoked));
      if (nodesKnown && stateKnown) {
        registry.keepOnly(new Set([...members.satellites, ...admitted.enrolled.map((s) => s.id)]));
      }
      try {
        await bus.apply(topology);
        followState();
        await sweep(topology);
        // Who was just logging in while the server reloaded.
        clearTimeout(sweeping);
        sweeping = setTimeout(() => void sweep(bus.topology), SETTLE_MS);
      } catch (error) {
        log(`bus: the new topology was not taken: ${(error as Error).message}`);
        again = setTimeout(reconfigure, SETTLE_MS);
      }
    });
  };
  const gate = createGate({
    self: node,
    state,
    silentMs: () => cluster?.silentMs() ?? 0,
    others: () =>
      clouds().flatMap((c) =>
        c.name !== node && members.servers.some((s) => s.name === c.name) ? [Date.now() - Date.parse(c.lastSeen)] : [],
      ),
    nodes: () => members.satellites,
    changed: reconfigure,
    log,
  });
  let settle: NodeJS.Timeout | undefined;
  const onNodes = (nodes: NodeInfo[]): void => {
    clearTimeout(settle);
    settle = setTimeout(() => {
      members = topologyOf(nodes, self, members);
      saveTopology(facts, members);
      known = true;
      nodesKnown = true;
      gate.look();
      reconfigure();
    }, SETTLE_MS);
  };
  const access = serviceAccountAccess(settings.api, settings.serviceAccountDir);
  const kubernetes = watchKubernetes({
    client: access === undefined ? undefined : createKubeClient(access),
    secret: { namespace: NAMESPACE, name: SECRET },
    facts,
    changes,
    log,
    onNodes,
    onSecret: (values) => {
      if (credentials.update(values)) {
        recovery.check();
      } else {
        log(`cloud: the Secret ${SECRET} is not valid; the credentials last known stay`);
      }
    },
  });

  const overview = (): Overview => ({
    cluster: { id: config.id, name: config.name, version: config.version },
    instance: node,
    at: new Date().toISOString(),
    kubernetes: kubernetes.status(),
    nodes: kubernetes.nodes(),
    pods: kubernetes.pods(),
    clouds: clouds(),
    satellites: satellites.summary(members.satellites),
    applications: kubernetes.applications(),
  });
  let authority: Promise<SatellitesAuthority> | undefined;
  const everywhere = (port: number): string[] => members.servers.map((s) => hostPort(s.address, port));
  const enrolment: Enrolment = {
    authority: () =>
      (authority ??= openSatellitesAuthority(join(settings.stateDir, 'satellites'), node, {
        lifeMs: settings.satelliteLifeMs,
      }).catch((error: Error) => {
        authority = undefined;
        throw error;
      })),
    ca: () => readFileSync(join(tlsDir, 'ca.crt'), 'utf8'),
    clouds: () => everywhere(config.ports.nats),
    consoles: () => everywhere(config.ports.console),
    nodes: () => members.satellites,
  };
  const metrics = createMetrics({
    state,
    satellites: satellites.counts,
    certificateEnds: () => satellites.certificateEnds(),
    queries: () => queries?.active() ?? 0,
    diskFree: () => disk.free(),
    notReady,
  });
  const failedLogins = createFailedLogins({
    counted: metrics.failedLogins,
    // Thrown where there is no state, so that it is told like any other reason.
    record: async (entry) =>
      state.replica().propose({ kind: 'login.failed', actor: `login/${entry.address}`, args: entry }),
    log,
  });
  const context: CloudContext = {
    changes,
    credentials,
    throttle: createThrottle(),
    failedLogins,
    state,
    sessionUse,
    registry,
    satellites,
    enrolment,
    metrics,
    direct,
    servers: () => members.servers,
    dnsPort: config.ports.dns,
    queries: () => (connected ? queries : undefined),
    schedules: () => schedules,
    overview,
    notReady,
    log,
    signal: stopping.signal,
  };
  const listeningMs = (): number => (connectedAt === undefined ? 0 : Date.now() - connectedAt);
  const firstReady = (): string | undefined =>
    clouds()
      .filter((c) => c.ready)
      .map((c) => c.name)
      .sort()[0];
  const states = keepStates({
    self: node,
    cloud: context,
    registry,
    rows: satelliteRows,
    tells: () => firstReady() === node,
    listeningMs,
    log,
  });
  const schedules = keepSchedules({
    self: node,
    boot: `${startedAt} ${process.pid}`,
    state,
    metrics,
    sources: context,
    tells: () => firstReady() === node,
    instances: clouds,
    listeningMs,
    log,
  });
  const app = await createApp(context, consoleFiles(loadConsole(settings.consoleDir)));
  const tlsFile = (name: string): string => readFileSync(join(tlsDir, name), 'utf8');
  const busPipe = createBusPipe({
    host: websocketHost(address),
    port: config.ports.natsWebsocket,
    tls: () => ({ ca: tlsFile('ca.crt'), cert: tlsFile('client.crt'), key: tlsFile('client.key') }),
  });
  const upgrade = upgrades(app, context, {
    [API_PATHS.queryStream]: openQuerySockets(context),
    [BUS_PATH]: async ({ req }, socket, head) => busPipe.upgrade(req, socket, head),
  });
  const https = await serveHttps({
    address: settings.listen,
    port: config.ports.console,
    tlsDir,
    listener: app.callback(),
    upgrade,
    log,
    renewed: () => void bus.refresh().catch((error: Error) => log(`bus: ${error.message}`)),
  });
  log(`cloud: console and API on https://${hostPort(address, config.ports.console)}`);

  const dns = keepDns({
    address,
    port: config.ports.dns,
    data: zoneData({ zone: config.zone, servers: () => members.servers, clouds, registry }),
    log,
  });

  const stop = async (): Promise<void> => {
    stopping.abort(new Error('this instance stops'));
    clearTimeout(settle);
    clearTimeout(again);
    gate.stop();
    states.stop();
    await schedules.stop();
    failedLogins.stop();
    satellites.stop();
    satelliteRows.stop();
    await configured;
    clearTimeout(sweeping);
    busPipe.stop();
    await https.stop();
    await dns.stop();
    queries?.stop();
    direct.stop();
    renewals.stop();
    instances.stop();
    recovery.stop();
    await state.stop();
    metrics.stop();
    await stopDeparted?.();
    await nc?.close();
    await monitor?.stop();
    await bus.stop();
    registry.stop();
    await kubernetes.stop();
    db.close();
  };

  followState();
  try {
    await bus.start();
    const server = hostPort(address, config.ports.nats);
    const tls = {
      caFile: join(tlsDir, 'ca.crt'),
      certFile: join(tlsDir, 'client.crt'),
      keyFile: join(tlsDir, 'client.key'),
    };
    const connection = await connectBus({ servers: [server], tls, name: `cloud ${node}`, onlyThese: true });
    nc = connection;
    connected = true;
    connectedAt = Date.now();
    void followStatus(connection, (up) => {
      connected = up;
      connectedAt = up ? Date.now() : undefined;
      log(up ? 'bus: connected' : 'bus: connection lost');
      changes.notify();
    });
    queries = createQueryProxy({
      instance: node,
      nc: connection,
      isKnown: (id) => registry.get(id) !== undefined,
      isOpen: (id) => direct.access(id) !== 'direct',
      log,
    });
    direct.listen(connection);
    renewals.listen(connection);
    registry.listen(connection);
    shareSessionUse(connection, sessionUse, log);
    monitor = await monitorBus({ server, tlsDir, node });
    bus.verifyReloads(monitor.loadedAt);
    stopDeparted = keepDeparted({
      // One whose address is not known yet is registered too.
      registered: () =>
        nodesKnown && kubernetes.status().reachable
          ? [
              ...new Set(
                [...members.servers, ...kubernetes.nodes().filter((n) => n.role === 'control-plane')].map(
                  (n) => n.name,
                ),
              ),
            ]
          : undefined,
      group: monitor.metaGroup,
      remove: monitor.removeServer,
      log,
      afterMs: settings.departedMs,
    });
    reconfigure();
    instances.listen(connection);
    followState();
  } catch (error) {
    await stop();
    throw error;
  }
  log('cloud: ready');
  return { stop };
}

async function followStatus(nc: NatsConnection, changed: (up: boolean) => void): Promise<void> {
  for await (const status of nc.status()) {
    if (status.type === 'disconnect') {
      changed(false);
    } else if (status.type === 'reconnect') {
      changed(true);
    }
  }
}
