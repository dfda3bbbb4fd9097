import t from 'tap';
import type { NodeInfo } from '../../src/api/overview.ts';
import { clientAuthorities, clientUsers, natsConfig, needsRestart, type Topology } from '../../src/bus/config.ts';
import { loadTopology, saveTopology, topologyOf } from '../../src/cloud/topology.ts';

const settings = {
  node: 'n1',
  address: 'fd00::1',
  port: 7446,
  clusterPort: 7447,
  websocketPort: 7448,
  clusterId: 'c0ffee',
  tlsDir: '/tls',
  stateDir: '/state',
};
const servers = ['n1', 'n2', 'n3'].map((name, i) => ({ name, address: `fd00::${i + 1}` }));
const one: Topology = { servers: servers.slice(0, 1), satellites: ['n1'], jetstream: false };
const three: Topology = { servers, satellites: ['n1', 'n2', 'n3', 'w.example'], jetstream: true };
const node = (name: string, role: NodeInfo['role'], address = `10.0.0.${name.slice(1)}`): NodeInfo => ({
  name,
  role,
  address,
  ready: true,
  version: '',
  createdAt: '',
});

t.test('one server: no cluster, no JetStream', async (t) => {
  const text = natsConfig(settings, one);
  t.notMatch(text, /cluster \{|jetstream/);
});

t.test('nothing listens without a certificate', async (t) => {
  const text = natsConfig(settings, three);
  t.equal(text.match(/verify_and_map: true/g)?.length, 2, 'for clients and for servers');
  t.match(text, /^websocket \{ host: "::1", port: 7448, .*verify: true/m, 'on loopback');
  t.notMatch(text, /\b(http|https|monitor_port|http_port|leafnodes|mqtt|no_auth_user|no_tls)\b/);
  const users = text.split('\n').filter((l) => /\{ (user|nkey): /.test(l) && !l.includes('authorization'));
  t.equal(users.length, 1 + 3 + 4);
  for (const user of users) {
    t.match(user, /allowed_connection_types: \["STANDARD"\]/, 'by its certificate only');
  }
});

t.test('three servers: routes to the others only, JetStream that syncs always', async (t) => {
  const text = natsConfig(settings, three);
  t.match(text, 'routes: ["nats://[fd00::2]:7447", "nats://[fd00::3]:7447"]');
  t.match(text, /jetstream \{[^}]*sync_interval: always/);
  t.match(text, 'name: "terrarium-c0ffee"');
});

t.test('a satellite is confined to its own subjects', async (t) => {
  const user = natsConfig(settings, three)
    .split('\n')
    .find((l) => l.includes('spiffe://satellite.bus.terrarium.internal/w.example'));
  t.match(
    user,
    'publish: { allow: ["heartbeat.w_example", "reply.*.*.w_example", "direct.w_example", "renew.w_example"] }',
  );
  t.match(user, 'subscribe: { allow: ["satellite.w_example.>"] }');
});

t.test('an nkey stands there once: twice, the server would refuse all of it', async (t) => {
  const nkey = 'UKEY';
  const text = natsConfig(settings, {
    ...three,
    enrolled: [
      { id: 'one', key: 'abcd', nkey },
      { id: 'other', key: 'abce', nkey },
    ],
    authorities: ['-----SATELLITES-----\n'],
  });
  t.equal(text.split('nkey: "UKEY"').length, 2);
});

t.test('an enrolled satellite is its key; its authority is trusted for clients only', async (t) => {
  const topology: Topology = {
    ...three,
    enrolled: [{ id: 'far.example', key: 'abcd', nkey: 'UKEY' }],
    authorities: ['-----SATELLITES-----\n'],
  };
  const text = natsConfig(settings, topology);
  const user = text.split('\n').find((l) => l.includes('spiffe://enrolled.bus.terrarium.internal/abcd/far.example'));
  t.match(
    user,
    'publish: { allow: ["heartbeat.far_example", "reply.*.*.far_example", "direct.far_example", "renew.far_example"] }',
  );
  const byWebsocket = text
    .split('\n')
    .find((l) => l.includes('{ nkey: "UKEY", allowed_connection_types: ["WEBSOCKET"],'));
  t.match(
    byWebsocket,
    'publish: { allow: ["heartbeat.far_example", "reply.*.*.far_example", "direct.far_example", "renew.far_example"] }',
  );
  t.match(byWebsocket, 'subscribe: { allow: ["satellite.far_example.>"] }');
  const clients = clientAuthorities(settings, topology, '-----CA-----\n');
  t.equal(clients?.pem, '-----CA-----\n-----SATELLITES-----\n');
  const trusts = [...text.matchAll(/ca_file: "([^"]+)"/g)].map((m) => m[1]);
  t.same(trusts, [clients?.file, '/tls/ca.crt', '/tls/ca.crt'], 'clients, then the pipe, then servers');
  t.ok(clientUsers(topology).has('UKEY'));
  t.equal(clientAuthorities(settings, three, ''), undefined);
  t.not(
    clientAuthorities(settings, { ...topology, authorities: ['another'] }, '')?.file,
    clients?.file,
    'another list is another file, so another configuration',
  );
  t.ok(clientUsers(topology).has('spiffe://enrolled.bus.terrarium.internal/abcd/far.example'));
  t.notOk(clientUsers(three).has('spiffe://enrolled.bus.terrarium.internal/abcd/far.example'));
});

t.test('what can be reloaded and what needs a new process', async (t) => {
  t.ok(needsRestart(one, { ...one, servers: servers.slice(0, 2) }));
  t.ok(needsRestart({ ...three, jetstream: false }, three));
  t.notOk(needsRestart(three, { ...three, servers: servers.slice(0, 2), satellites: [] }));
  t.notOk(needsRestart(three, { ...three, servers: servers.slice(0, 1) }), 'a cluster with JetStream stays one');
});

t.test('the topology follows the nodes', async (t) => {
  const self = { name: 'n1', address: '10.0.0.1' };
  t.same(
    topologyOf([], self, undefined),
    { servers: [self], satellites: ['n1'], jetstream: false },
    'before any node is known: this one',
  );
  const nodes = [
    node('n2', 'control-plane'),
    node('n1', 'control-plane'),
    node('n9', 'worker'),
    node('n3', 'control-plane', ''),
  ];
  const two = topologyOf(nodes, self, undefined);
  t.same(
    two.servers.map((s) => s.name),
    ['n1', 'n2'],
    'a server without address is not there yet',
  );
  t.same(two.satellites, ['n1', 'n2', 'n3', 'n9']);
  t.equal(two.jetstream, true, 'two have one state');
  t.equal(topologyOf(nodes.slice(1, 3), self, two).jetstream, true, 'once on, JetStream stays on');
});

t.test('the last topology is kept, and not taken by a node that has changed its address', async (t) => {
  const kept = new Map<string, unknown>();
  const facts = { get: (k: string): unknown => kept.get(k), put: (k: string, v: unknown): void => void kept.set(k, v) };
  saveTopology(facts, three);
  t.same(loadTopology(facts, { name: 'n1', address: 'fd00::1' }), three);
  t.same(loadTopology(facts, { name: 'n1', address: 'fd00::99' }).servers, [{ name: 'n1', address: 'fd00::99' }]);
});
