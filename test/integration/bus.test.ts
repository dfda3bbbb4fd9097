import { readFileSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join as path } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as tlsConnect } from 'node:tls';
import { connect as rawConnect, type NatsConnection } from '@nats-io/transport-node';
import t from 'tap';
import type { Topology } from '../../src/bus/config.ts';
import { connectBus, type BusTls } from '../../src/bus/connect.ts';
import { satelliteIdentity } from '../../src/bus/identities.ts';
import { monitorBus, type BusMonitor } from '../../src/bus/monitor.ts';
import { BusServer } from '../../src/bus/server.ts';
import { createAuthority, issue } from '../../src/pki/authority.ts';
import { NATS_SERVER, busFiles, freePorts, type BusFiles } from '../support/bus-files.ts';
import { until } from '../support/local-cloud.ts';

const names = ['n1', 'n2', 'n3.example'];
const nodes = names.map((name, i) => ({ name, address: `127.0.0.${i + 1}` }));
const full: Topology = { servers: nodes, satellites: [...names, 'w1'], jetstream: true };
let files: BusFiles;
let servers: BusServer[];
let port = 0;
let clusterPort = 0;
let websocketPort = 0;
const log: string[] = [];
const connections: NatsConnection[] = [];

function serverOf(index: number): BusServer {
  const server = servers[index];
  if (server === undefined) {
    throw new Error(`no server ${index}`);
  }
  return server;
}

/** One try, no reconnects: for those who are to be refused. */
function tryConnect(tls: BusTls): Promise<NatsConnection> {
  return rawConnect({
    servers: `127.0.0.1:${port}`,
    tls: { ...tls, handshakeFirst: true },
    reconnect: false,
    timeout: 3000,
  });
}

async function join(tls: BusTls, name: string, address = '127.0.0.1'): Promise<NatsConnection> {
  const nc = await connectBus({ servers: [`${address}:${port}`], tls, name, onlyThese: true });
  connections.push(nc);
  return nc;
}

t.before(async () => {
  files = await busFiles(nodes);
  [port = 0, clusterPort = 0, websocketPort = 0] = await freePorts(3);
  servers = nodes.map(
    (node) =>
      new BusServer({
        binary: NATS_SERVER,
        log: (line) => log.push(`${node.name} ${line}`),
        settings: {
          node: node.name,
          address: node.address,
          port,
          clusterPort,
          websocketPort,
          clusterId: 'test',
          tlsDir: `${files.data(node.name)}/cloud/tls`,
          stateDir: `${files.data(node.name)}/cloud/state`,
        },
        topology: { servers: [node], satellites: [node.name], jetstream: false },
      }),
  );
  await Promise.all(servers.map((s) => s.start()));
});

t.teardown(async () => {
  await Promise.all(connections.map((nc) => nc.close()));
  await Promise.all(servers.map((s) => s.stop()));
  files.remove();
});

t.test('single servers become a cluster with JetStream', async (t) => {
  await Promise.all(servers.map((s) => s.apply(full)));
  const monitors: BusMonitor[] = await Promise.all(
    nodes.map((n) =>
      monitorBus({ server: `${n.address}:${port}`, tlsDir: `${files.data(n.name)}/cloud/tls`, node: n.name }),
    ),
  );
  try {
    await until(
      'one leader, two followers',
      () => {
        const roles = monitors
          .map((m) => m.current().role)
          .sort()
          .join();
        return roles === 'follower,follower,leader' ? roles : undefined;
      },
      30_000,
    );
    t.same(monitors[0]?.current().peers, ['n2', 'n3.example']);
  } finally {
    await Promise.all(monitors.map((m) => m.stop()));
  }
});

t.test('a satellite reads and writes its own subjects only', async (t) => {
  const cloud = await join(files.cloudTls('n2'), 'cloud', '127.0.0.2');
  const heard: string[] = [];
  cloud.subscribe('>', { callback: (_, msg) => void heard.push(`${msg.subject} ${msg.string()}`) });
  await cloud.flush();
  const satellite = await join(files.satelliteTls('n3.example'), 'satellite');
  const refused: string[] = [];
  void (async () => {
    for await (const s of satellite.status()) {
      if (s.type === 'error') {
        refused.push(s.error.message);
      }
    }
  })();
  const leaked: string[] = [];
  for (const subject of ['satellite.n1.>', '>', '$SYS.>', 'heartbeat.*', 'reply.>', 'cloud.*', '$JS.API.>']) {
    satellite.subscribe(subject, {
      callback: (error, msg) => (error === null ? void leaked.push(msg.subject) : undefined),
    });
  }
  for (const subject of [
    'heartbeat.n1',
    'satellite.n1.query',
    'reply.n2.abcdefgh.n1',
    'cloud.n1',
    'session.ended',
    '$JS.API.INFO',
    '$JS.API.SERVER.REMOVE',
    '$SYS.REQ.SERVER.PING',
  ]) {
    satellite.publish(subject, 'forged');
  }
  satellite.publish('heartbeat.n3_example', 'own');
  satellite.publish('reply.n2.abcdefgh.n3_example', 'own');
  await satellite.flush();
  await until('15 refusals', () => (refused.length >= 15 ? true : undefined));
  cloud.publish('satellite.n1.query', 'not for n3');
  await cloud.flush();
  await until('its own messages', () => (heard.filter((h) => h.endsWith('own')).length === 2 ? true : undefined));
  t.same(
    heard.filter((h) => h.endsWith('forged')),
    [],
  );
  t.same(leaked, []);
});

t.test('who has no certificate of ours, or of nobody known, is refused', async (t) => {
  const stranger = await files.identity('stranger', {
    commonName: 'satellite-unknown',
    organization: 'terrarium:satellite',
    sans: [],
    usages: ['client'],
    days: 1,
  });
  await t.rejects(tryConnect(stranger), 'signed by our CA, but no node of the cluster');
  const pretender = await files.identity('pretender', {
    commonName: 'cloud-n1',
    organization: 'terrarium:satellite',
    sans: [],
    usages: ['client'],
    days: 1,
  });
  await t.rejects(tryConnect(pretender), "a cloud's name in another group");
  const other = await createAuthority('other', new Date());
  const forged = await issue(other, satelliteIdentity('n1'), new Date());
  const own = files.satelliteTls('n1');
  await t.rejects(
    rawConnect({
      servers: `127.0.0.1:${port}`,
      tls: { caFile: own.caFile, cert: forged.cert, key: forged.key, handshakeFirst: true },
      reconnect: false,
      timeout: 3000,
    }),
    'another CA',
  );
  await t.rejects(
    rawConnect({
      servers: `127.0.0.1:${port}`,
      tls: { caFile: own.caFile, handshakeFirst: true },
      reconnect: false,
      timeout: 3000,
    }),
    'no certificate',
  );
});

/** Sends what a server of a cluster says first; resolves with all that comes back until the connection ends. */
function asRoute(tls: BusTls): Promise<string> {
  return new Promise((resolve) => {
    const read = { ca: readFileSync(tls.caFile), cert: readFileSync(tls.certFile), key: readFileSync(tls.keyFile) };
    let text = '';
    const secure = tlsConnect({ ...read, host: '127.0.0.1', port: clusterPort }, () => {
      secure.write(
        'CONNECT {"verbose":false,"pedantic":false,"tls_required":true,"name":"evil","cluster":"terrarium-test"}\r\n',
      );
      const info = {
        server_id: 'NEVIL',
        server_name: 'evil',
        cluster: 'terrarium-test',
        version: '2.15.2',
        host: '127.0.0.1',
        port: 1,
        proto: 1,
        headers: true,
        tls_required: true,
        tls_verify: true,
      };
      secure.write(`INFO ${JSON.stringify(info)}\r\n`);
      secure.write('RS+ TERRARIUM >\r\nPING\r\n');
    });
    const timer = setTimeout(() => secure.destroy(), 3000);
    secure.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
    secure.on('error', () => undefined);
    secure.on('close', () => {
      clearTimeout(timer);
      resolve(text);
    });
  });
}

t.test("a satellite's certificate does not make a server of the cluster", async (t) => {
  t.match(await asRoute(files.satelliteTls('n1')), /Authorization Violation/);
  const tls = `${files.data('n1')}/cloud/tls`;
  t.notMatch(
    await asRoute({ caFile: `${tls}/ca.crt`, certFile: `${tls}/server.crt`, keyFile: `${tls}/server.key` }),
    /Authorization Violation/,
    "a server's own does, by the same words",
  );
});

t.test('nothing of it listens without asking for a certificate', async (t) => {
  const pids = new Set(servers.map((s) => String(s.pid)));
  const inodes = new Set<string>();
  for (const pid of pids) {
    for (const fd of readdirSync(`/proc/${pid}/fd`)) {
      try {
        const target = readlinkSync(`/proc/${pid}/fd/${fd}`);
        const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
        if (inode !== undefined) {
          inodes.add(inode);
        }
      } catch {
        // It was closed meanwhile.
      }
    }
  }
  const listening = new Set<number>();
  for (const file of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of readFileSync(file, 'utf8').split('\n').slice(1)) {
      const fields = line.trim().split(/\s+/);
      if (fields[3] === '0A' && inodes.has(fields[9] ?? '')) {
        listening.add(Number.parseInt((fields[1] ?? '').split(':')[1] ?? '', 16));
      }
    }
  }
  t.same(
    [...listening].sort((a, b) => a - b),
    [port, clusterPort, websocketPort].sort((a, b) => a - b),
  );
});

t.test('a node that has left is cut off by a reload, and nobody else', async (t) => {
  const leaver = await join(files.satelliteTls('n3.example'), 'leaver', '127.0.0.1');
  const stayer = await join(files.satelliteTls('n2'), 'stayer', '127.0.0.1');
  let left = false;
  let disturbed = false;
  void (async () => {
    for await (const s of leaver.status()) {
      if (s.type === 'disconnect') {
        left = true;
      }
    }
  })();
  void (async () => {
    for await (const s of stayer.status()) {
      if (s.type === 'disconnect') {
        disturbed = true;
      }
    }
  })();
  const before = serverOf(0).pid;
  await serverOf(0).apply({ ...full, satellites: ['n1', 'n2', 'w1'] });
  await until('the connection to be cut', () => (left ? true : undefined), 3000);
  await sleep(500);
  t.notOk(disturbed);
  t.equal(serverOf(0).pid, before, 'no restart');
  await leaver.close();
});

t.test('a refused configuration changes nothing', async (t) => {
  const server = serverOf(0);
  const before = { topology: server.topology, pid: server.pid };
  await t.rejects(server.apply({ ...full, servers: [...nodes, { name: 'bad', address: 'not an address' }] }), {
    code: 'bus-config',
  });
  t.same({ topology: server.topology, pid: server.pid }, before);
});

t.test('a killed server comes back by itself', async (t) => {
  const server = serverOf(1);
  const nc = await join(files.cloudTls('n2'), 'cloud n2', '127.0.0.2');
  const before = server.pid;
  process.kill(before ?? 0, 'SIGKILL');
  await until('a new process', () => (server.pid !== undefined && server.pid !== before ? true : undefined));
  await until('the old connection to work again', () =>
    nc.flush().then(
      () => true,
      () => undefined,
    ),
  );
  t.equal(server.starts, 3, 'alone, in the cluster, after the kill');
});

t.test('one that does not come up again after a new topology is started until it does', async (t) => {
  const dir = t.testdir();
  const lacking = path(dir, 'lacking');
  const binary = path(dir, 'nats-server');
  // As where there is no memory for it just now; a look at a configuration works.
  writeFileSync(
    binary,
    `#!/bin/sh
if [ "$1" != -t ] && [ -e '${lacking}' ]; then echo 'no memory' >&2; exit 1; fi
exec '${NATS_SERVER}' "$@"
`,
    { mode: 0o755 },
  );
  const own = await busFiles([{ name: 'n1', address: '127.0.0.9' }]);
  const [port_ = 0, cluster = 0, websocket = 0] = await freePorts(3);
  const said: string[] = [];
  const servers_ = [{ name: 'n1', address: '127.0.0.9' }];
  const server = new BusServer({
    binary,
    log: (line) => said.push(line),
    topology: { servers: servers_, satellites: ['n1'], jetstream: false },
    settings: {
      node: 'n1',
      address: '127.0.0.9',
      port: port_,
      clusterPort: cluster,
      websocketPort: websocket,
      clusterId: 'test',
      tlsDir: `${own.data('n1')}/cloud/tls`,
      stateDir: `${own.data('n1')}/cloud/state`,
    },
  });
  await server.start();
  try {
    writeFileSync(lacking, '');
    await t.rejects(
      server.apply({
        servers: [...servers_, { name: 'n2', address: '127.0.0.10' }],
        satellites: ['n1'],
        jetstream: true,
      }),
      { code: 'bus-start' },
    );
    t.equal(server.pid, undefined);
    rmSync(lacking);
    await until('it to be there again', () => server.pid);
    const nc = await until('it to take connections', () =>
      connectBus({ servers: [`127.0.0.9:${port_}`], tls: own.satelliteTls('n1'), name: 'test', onlyThese: true }).catch(
        () => undefined,
      ),
    );
    await nc.close();
    t.ok(said.some((l) => /starting again/.test(l)));
  } catch (error) {
    t.comment(said.join('\n'));
    throw error;
  } finally {
    await server.stop();
    own.remove();
  }
});

t.test('a port that is taken is told, not waited for', async (t) => {
  const second = new BusServer({
    binary: NATS_SERVER,
    log: () => undefined,
    settings: {
      node: 'n1',
      address: '127.0.0.1',
      port,
      clusterPort,
      websocketPort,
      clusterId: 'test',
      tlsDir: `${files.data('n1')}/cloud/tls`,
      stateDir: `${files.root}/second`,
    },
    topology: { servers: nodes.slice(0, 1), satellites: [], jetstream: false },
  });
  await t.rejects(second.start(), { code: 'bus-start', host: 'n1' });
});
