import { join } from 'node:path';
import type { CloudInfo, NodeInfo, Overview } from '../api/overview.ts';
import type { Announcement } from '../bus/frames.ts';
import { monitorBus, type BusMonitor } from '../bus/monitor.ts';
import { BusServer } from '../bus/server.ts';
import { hostPort } from '../host-port.ts';
import { createKubeClient } from '../kube/client.ts';
import { serviceAccountAccess } from '../kube/service-account.ts';
import { openDatabase } from '../store/database.ts';
import { openFacts } from '../store/facts.ts';
import { openSatellites } from '../store/satellites.ts';
import { cachedSpace, spaceOf } from '../store/space.ts';
import { spareWrites } from '../store/spare.ts';
import { VERSION } from '../version.ts';
import { openCredentials } from './auth/credentials.ts';
import { createFailedLogins } from './auth/failed-logins.ts';
import { trackSessions } from './auth/sessions.ts';
import { shareSessionUse } from './auth/shared-use.ts';
import { createThrottle } from './auth/throttle.ts';
import { createBusConnection } from './bus-connection.ts';
import { createBusTopology } from './bus-topology.ts';
import { createChanges } from './changes.ts';
import type { CloudContext } from './context.ts';
import { keepDeparted } from './departed.ts';
import { createDirect } from './direct/direct.ts';
import { keepDns, zoneData } from './direct/dns.ts';
import { watchDisk } from './disk.ts';
import { instanceEnrolment } from './enrolment/instance-enrolment.ts';
import { serveConsole } from './http/serve.ts';
import { createInstances } from './instances.ts';
import { watchKubernetes } from './kubernetes.ts';
import { createMetrics } from './metrics.ts';
import { createQueryProxy, type QueryProxy } from './queries.ts';
import { notReadyReason } from './readiness.ts';
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

export interface Cloud {
  /** Stops politely; the order is: readers, bus, database. */
  stop(): Promise<void>;
}

const NAMESPACE = 'terrarium-system';
const SECRET = 'credentials';

/**
 * Starts one instance: database, console and API, nats-server, and what it watches. Works without Kubernetes, by what
 * it last knew.
 * @throws Failure `store`, `listen`, `bus-config`, `bus-start`
 */
// oxlint-disable-next-line max-lines-per-function -- it wires parts that need each other, in the order of the start
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
  const space = cachedSpace(() => spaceOf(settings.stateDir));
  const disk = watchDisk(space);
  const natsDir = join(settings.stateDir, 'nats');
  const sessionUse = trackSessions();
  let cluster: ClusterState | undefined;
  const state = createState({
    self: node,
    dir: join(settings.stateDir, 'state'),
    space,
    log,
    cluster: (connection, names) => (cluster = clusterState(connection, node, natsDir, names)),
  });
  const satelliteRows = createSatelliteRows(state);
  const satellites = createSatelliteView(registry, satelliteRows, state);
  satellites.onChange((_, what) => (what === 'changed' ? changes.notify() : undefined));
  const recovery = createRecovery({ state, credentials: credentials.current, self: node, log });
  const topology = createBusTopology({
    self,
    facts,
    registry,
    bus: () => bus,
    gate: () => gate,
    cut: async (users) => monitor?.cut(users),
    applied: () => followState(),
    stopping: () => stopping.signal.aborted,
    log,
  });
  const servers = (): { name: string; address: string }[] => topology.members().servers;
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
    topology: topology.initial(),
    log,
    roomy: () => disk.full() === undefined,
  });
  const connection = createBusConnection({
    node,
    server: hostPort(address, config.ports.nats),
    tlsDir,
    changed: changes.notify,
    log,
  });
  let monitor: BusMonitor | undefined;
  let queries: QueryProxy | undefined;
  let stopDeparted: (() => Promise<void>) | undefined;

  const notReady = (): string | undefined =>
    notReadyReason({
      stopping: () => stopping.signal.aborted,
      connected: connection.connected,
      db,
      starved: () => bus.starved,
      diskFull: disk.full,
      state,
      recovery,
      secret: SECRET,
    });
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
    servers,
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
  const clouds = (): CloudInfo[] => instances.all(servers().map((s) => s.name));

  const followState = (): void => {
    if (topology.known() && !stopping.signal.aborted) {
      state.follow(bus.topology, connection.nc());
    }
  };
  const gate = createGate({
    self: node,
    state,
    silentMs: () => cluster?.silentMs() ?? 0,
    others: () =>
      clouds().flatMap((c) =>
        c.name !== node && servers().some((s) => s.name === c.name) ? [Date.now() - Date.parse(c.lastSeen)] : [],
      ),
    nodes: () => topology.members().satellites,
    changed: topology.reconfigure,
    log,
  });
  const access = serviceAccountAccess(settings.api, settings.serviceAccountDir);
  const kubernetes = watchKubernetes({
    client: access === undefined ? undefined : createKubeClient(access),
    secret: { namespace: NAMESPACE, name: SECRET },
    facts,
    changes,
    log,
    onNodes: topology.onNodes,
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
    satellites: satellites.summary(topology.members().satellites),
    applications: kubernetes.applications(),
  });
  const enrolment = instanceEnrolment(settings, topology.members);
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
    servers,
    dnsPort: config.ports.dns,
    queries: () => (connection.connected() ? queries : undefined),
    schedules: () => schedules,
    overview,
    notReady,
    log,
    signal: stopping.signal,
  };
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
    listeningMs: connection.listeningMs,
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
    listeningMs: connection.listeningMs,
    log,
  });
  const served = await serveConsole(settings, context, () => {
    bus.refresh().catch((error: Error) => log(`bus: ${error.message}`));
  });
  const dns = keepDns({
    address,
    port: config.ports.dns,
    data: zoneData({ zone: config.zone, servers, clouds, registry }),
    log,
  });

  const stop = async (): Promise<void> => {
    stopping.abort(new Error('this instance stops'));
    topology.halt();
    gate.stop();
    states.stop();
    await schedules.stop();
    failedLogins.stop();
    satellites.stop();
    satelliteRows.stop();
    await topology.settled();
    await served.stop();
    await dns.stop();
    queries?.stop();
    direct.stop();
    renewals.stop();
    instances.stop();
    recovery.stop();
    await state.stop();
    metrics.stop();
    await stopDeparted?.();
    await connection.close();
    await monitor?.stop();
    await bus.stop();
    registry.stop();
    await kubernetes.stop();
    db.close();
  };

  followState();
  try {
    await bus.start();
    const nc = await connection.open();
    queries = createQueryProxy({
      instance: node,
      nc,
      isKnown: (id) => registry.get(id) !== undefined,
      isOpen: (id) => direct.access(id) !== 'direct',
      log,
    });
    direct.listen(nc);
    renewals.listen(nc);
    registry.listen(nc);
    shareSessionUse(nc, sessionUse, log);
    monitor = await monitorBus({ server: hostPort(address, config.ports.nats), tlsDir, node });
    bus.verifyReloads(monitor.loadedAt);
    stopDeparted = keepDeparted({
      registered: () =>
        topology.nodesKnown() && kubernetes.status().reachable
          ? controlPlanes(servers(), kubernetes.nodes())
          : undefined,
      group: monitor.metaGroup,
      remove: monitor.removeServer,
      log,
      afterMs: settings.departedMs,
    });
    topology.reconfigure();
    instances.listen(nc);
    followState();
  } catch (error) {
    await stop();
    throw error;
  }
  log('cloud: ready');
  return { stop };
}

/** Names of those that are registered; one whose address is not known yet is registered too. */
function controlPlanes(servers: { name: string }[], nodes: NodeInfo[]): string[] {
  const planes = nodes.filter((n) => n.role === 'control-plane');
  return [...new Set([...servers, ...planes].map((n) => n.name))];
}
