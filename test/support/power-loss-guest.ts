import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectBus } from '../../src/bus/connect.ts';
import { busPeers } from '../../src/bus/instances.ts';
import { BusServer } from '../../src/bus/server.ts';
import { streamPipe } from '../../src/bus/stream.ts';
import { openReplica } from '../../src/store/open.ts';
import type { Replica } from '../../src/store/replica.ts';
import { NATS_SERVER, busFiles } from './bus-files.ts';
import { STREAMS } from './store-cluster.ts';
import { startWriters, writesIn, type Load } from './store-load.ts';
import { ROOMY, contents } from './store-temp.ts';

/**
 * Runs in a machine whose power is cut: three instances with their nats-servers, and one that is alone. At the first
 * boot it writes until the cut and tells each acknowledgement on the console, `ACK KIND ID POSITION`; at the next one
 * it tells what there is, `HAVE KIND ID POSITION`, and whether the three are `EQUAL`.
 */
const STATE = '/state';
const BEFORE = join(STATE, 'bus');
const PORTS = { port: 4222, clusterPort: 6222, websocketPort: 8222 };
const nodes = ['n1', 'n2', 'n3'].map((name, i) => ({ name, address: `127.0.0.${i + 1}` }));

const say = (line: string): void => void writeSync(2, `${line}\n`);

async function first(): Promise<string> {
  const { root } = await busFiles(nodes);
  // An install flushes what it lays down.
  execFileSync('/bin/busybox', ['sync']);
  writeFileSync(BEFORE, root, { flush: true });
  return root;
}

const again = existsSync(BEFORE);
const root = again ? readFileSync(BEFORE, 'utf8') : await first();
const tlsDir = (node: string): string => join(root, node, 'cloud/tls');
const stateDir = (node: string): string => join(root, node, 'cloud/state');

async function openThree(): Promise<Replica[]> {
  const topology = { servers: nodes, satellites: [], jetstream: true };
  const servers = nodes.map(
    ({ name, address }) =>
      new BusServer({
        binary: NATS_SERVER,
        topology,
        log: (line) => (/ERR|WRN|FTL/.test(line) ? say(`${name} ${line}`) : undefined),
        settings: { node: name, address, ...PORTS, clusterId: 'test', tlsDir: tlsDir(name), stateDir: stateDir(name) },
      }),
  );
  await Promise.all(servers.map((s) => s.start()));
  return Promise.all(
    nodes.map(async ({ name }) => {
      const tls = {
        caFile: join(tlsDir(name), 'ca.crt'),
        certFile: join(tlsDir(name), 'client.crt'),
        keyFile: join(tlsDir(name), 'client.key'),
      };
      const nc = await connectBus({
        servers: nodes.map(({ address }) => `${address}:${PORTS.port}`),
        tls,
        name,
        inOrder: true,
        onlyThese: true,
      });
      const pipe = streamPipe(nc, join(root, name, STREAMS));
      return openReplica({
        self: name,
        dir: join(STATE, name),
        log: (line) => say(`${name} ${line}`),
        space: () => ROOMY,
        cluster: { pipe, peers: busPeers(nc, name), instances: () => nodes.map((n) => ({ name: n.name })) },
      });
    }),
  );
}

/** For as long as it takes: whoever has booted us is the one who is impatient. */
async function atOnePlace(replicas: Replica[]): Promise<void> {
  const place = (r: Replica): string => `${r.status().state} ${r.status().epoch} ${r.position()}`;
  while (!replicas.every((r) => place(r).startsWith('ready') && place(r) === place(replicas[0] as Replica))) {
    await sleep(500);
  }
}

const alone = await openReplica({
  self: 'one',
  dir: join(STATE, 'one'),
  log: (line) => say(`one ${line}`),
  space: () => ROOMY,
});
const three = await openThree();
await atOnePlace(three);
say(again ? 'SECOND BOOT' : 'FIRST BOOT');
if (again) {
  const [one, ...others] = three.map((r) => JSON.stringify(contents(r.db)));
  say(others.every((o) => o === one) ? 'EQUAL' : 'DIFFERENT');
  for (const [kind, replica] of [
    ['one', alone],
    ['three', three[0] as Replica],
  ] as const) {
    for (const { id, position } of writesIn(replica.db)) {
      say(`HAVE ${kind} ${id} ${position}`);
    }
  }
  say('END');
  process.exit(0);
}
const loads: [string, Load, told: number][] = [
  ['one', startWriters(4, 20, () => alone), 0],
  ['three', startWriters(20, 20, (writer, attempt) => three[(writer + attempt) % 3]), 0],
];
for (;;) {
  for (const load of loads) {
    const news = [...load[1].acknowledged].slice(load[2]);
    for (const [id, position] of news) {
      say(`ACK ${load[0]} ${id} ${position}`);
    }
    load[2] += news.length;
  }
  await sleep(10);
}
