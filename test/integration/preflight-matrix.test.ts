import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { clusterPorts } from '../../installer/cluster/spec.ts';
import type { ClusterContext } from '../../installer/preflight/check.ts';
import { check as checksumCheck } from '../../installer/preflight/checks/checksum-errors.ts';
import { check as mtuCheck } from '../../installer/preflight/checks/mtu.ts';
import { check as portCheck } from '../../installer/preflight/checks/port-blocked.ts';
import { check as optionCheck } from '../../installer/preflight/checks/syn-option.ts';
import type { Pair } from '../../installer/preflight/matrix/result.ts';
import { runMatrix } from '../../installer/preflight/matrix/run.ts';
import { makeNetwork } from './support/netns.ts';

const dir = mkdtempSync(join(tmpdir(), 'matrix-'));
const helper = join(dir, 'terrarium-probe');
execFileSync(join(import.meta.dirname, '../../installer/preflight/probe-build.sh'), [helper]);
const network = makeNetwork(3);
t.teardown(() => {
  network.remove();
  rmSync(dir, { recursive: true, force: true });
});
const program = [process.execPath, join(import.meta.dirname, '../../src/main.ts')];
const ports = clusterPorts({ ports: undefined });

async function matrix(family: 4 | 6 = 4): Promise<Pair[]> {
  const hosts = network.nodes.map((node, i) => ({
    host: network.host(i, family),
    member: {
      name: node.name,
      address: family === 4 ? node.ipv4 : node.ipv6,
      role: i < 2 ? ('control-plane' as const) : ('worker' as const),
    },
    program,
  }));
  return await runMatrix(hosts, ports, { helper });
}

function messages(pairs: Pair[]): string[] {
  const context = {} as ClusterContext;
  return [portCheck, mtuCheck, optionCheck].flatMap((c) => c.judge([], context, pairs)).map((f) => f.message);
}

t.test('all is well, over IPv4 and IPv6', { timeout: 300_000 }, async (t) => {
  for (const family of [4, 6] as const) {
    const from = Date.now();
    const pairs = await matrix(family);
    t.comment(`${Date.now() - from} ms`);
    t.equal(pairs.length, 6);
    t.same(messages(pairs), []);
    for (const pair of pairs) {
      t.match(
        pair,
        {
          synOption: 'kept',
          bulk: true,
          checksumErrors: 0,
          mtu: { device: 'eth0', deviceMtu: 1500, passes: 1500, told: null },
        },
        `${pair.from} → ${pair.to}`,
      );
      t.ok(pair.roundTripsMs.length > 3);
      t.ok(Math.abs(pair.skew?.ms ?? 99) <= (pair.skew?.errorMs ?? 0), 'one clock');
    }
    const toPlane = pairs.find((p) => p.from === 'n1' && p.to === 'n2')?.ports.map((p) => p.name);
    const fromWorker = pairs.find((p) => p.from === 'n3' && p.to === 'n2')?.ports.map((p) => p.name);
    const toWorker = pairs.find((p) => p.from === 'n1' && p.to === 'n3')?.ports.map((p) => p.name);
    t.ok(toPlane?.includes('etcdPeer'));
    t.notOk(fromWorker?.includes('etcdPeer'), 'workers do not talk to etcd');
    t.ok(toWorker?.includes('kubelet'));
    t.notOk(toWorker?.includes('api'));
  }
});

t.test('a port blocked one way is told with its direction', { timeout: 300_000 }, async (t) => {
  network.rules(1, [`ip saddr ${network.nodes[0]?.ipv4} tcp dport 2380 drop`]);
  const pairs = await matrix();
  network.rules(1, []);
  t.match(messages(pairs), [/^n1 → n2: port 2380 \(etcdPeer\) cannot be reached: no answer/]);
  t.equal(messages(pairs).length, 1);
});

t.test('a black hole is told with the size that passes', { timeout: 300_000 }, async (t) => {
  for (const family of [4, 6] as const) {
    network.rules(2, ['meta length > 1400 drop']);
    const pairs = await matrix(family);
    network.rules(2, []);
    t.same(messages(pairs).toSorted(), [
      'n1 → n3: frames larger than 1400 bytes vanish though eth0 says 1500.',
      'n2 → n3: frames larger than 1400 bytes vanish though eth0 says 1500.',
    ]);
  }
});

t.test('no UDP at all is no black hole, as long as TCP carries data', { timeout: 300_000 }, async (t) => {
  network.rules(2, ['meta l4proto udp drop']);
  const pairs = await matrix();
  t.same(messages(pairs), []);
  t.equal(pairs.find((p) => p.from === 'n1' && p.to === 'n3')?.mtu?.passes, null);
  network.rules(2, ['meta l4proto udp drop', 'meta length > 1400 drop']);
  const hole = await matrix();
  network.rules(2, []);
  t.match(messages(hole), [/n1 → n3: connections are made but larger amounts of data vanish/, /n2 → n3/]);
});

t.test('a stripped SYN option is told', { timeout: 300_000 }, async (t) => {
  network.rules(1, ['reset tcp option 253']);
  const stripped = await matrix();
  network.rules(1, ['tcp option 253 exists drop']);
  const dropped = await matrix();
  network.rules(1, []);
  t.match(messages(stripped), [/^n1 → n2: a device in between removes unknown TCP options/, /^n3 → n2/]);
  t.match(messages(dropped), [/^n1 → n2: a device in between drops a SYN with an unknown TCP option/, /^n3 → n2/]);
});

t.test('packets with a wrong checksum are counted where they arrive', { timeout: 300_000 }, async (t) => {
  // Before the kernel looks at the checksum of the IP header.
  const table =
    'table netdev hostile { chain c { type filter hook ingress device eth0 priority 0; meta length > 1000 numgen ' +
    'inc mod 5 == 0 ip checksum set 1; }; }';
  t.match(await network.host(1, 4).run(['nft', table]), { exitCode: 0 });
  const pairs = await matrix();
  await network.host(1, 4).run(['nft', 'delete table netdev hostile']);
  const found = checksumCheck.judge([], {} as ClusterContext, pairs);
  t.match(found, [{ severity: 'warn', host: 'n2', message: /packets? came in with a wrong checksum/ }]);
  t.equal(found.length, 1);
});

t.test('a port that another program holds is tried as it is', { timeout: 300_000 }, async (t) => {
  const stop = new AbortController();
  const script = `require('node:net').createServer((s) => s.destroy()).listen(${ports.agent}, () => console.log('up'))`;
  let running: Promise<unknown> = Promise.resolve();
  await new Promise<void>((resolve) => {
    running = network
      .host(0, 4)
      .run([process.execPath, '-e', script], { signal: stop.signal, onStdout: () => resolve() })
      .catch(() => undefined);
  });
  const pairs = await matrix();
  stop.abort();
  await running;
  t.same(messages(pairs), []);
  t.equal(pairs.find((p) => p.from === 'n2' && p.to === 'n1')?.synOption, 'kept');
});
