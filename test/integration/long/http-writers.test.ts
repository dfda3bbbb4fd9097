import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { jetstreamManager } from '@nats-io/jetstream';
import t, { type Test } from 'tap';
import { connectBus } from '../../../src/bus/connect.ts';
import { startHttpWriters, underLoad, type Writers } from '../../support/http-writers.ts';
import { API_TOKEN, localClouds, until, type LocalClouds, type LocalNode } from '../../support/local-cloud.ts';
import { childrenOf } from '../../support/memory.ts';

/**
 * What test/e2e/long/70-writers.test.ts does on machines of a lab, with the clouds and their nats-servers alone: three
 * clusters' worth of Kubernetes do not share the processors with them, so that each writer comes to more than 20 writes
 * a second. The rates are in the comments.
 */
const WRITERS = 20;
const EVERY_MS = 25;

const nodes: LocalNode[] = ['n1', 'n2', 'n3'].map((name, i) => ({ name, address: `127.0.0.${i + 1}` }));
const running = new Map<string, ChildProcess>();
let clouds: LocalClouds;

const writers = (): Writers =>
  startHttpWriters(WRITERS, EVERY_MS, {
    token: API_TOKEN,
    ca: clouds.files.authority.cert,
    port: clouds.ports.console,
    addresses: nodes.map((n) => n.address),
  });
const start = async (node: LocalNode): Promise<void> => void running.set(node.name, await clouds.start(node));

/** A cloud's own processes: itself and its nats-server. */
function processesOf({ name }: LocalNode): { cloud: ChildProcess; natsServer: number } {
  const cloud = running.get(name);
  const [natsServer, ...others] = childrenOf(cloud?.pid ?? 0);
  if (cloud === undefined || natsServer === undefined || others.length > 0) {
    throw new Error(`the cloud of ${name} should have one child`);
  }
  return { cloud, natsServer };
}

/** As when a container's first process is killed: the others go with it. */
async function kill(node: LocalNode): Promise<void> {
  const { cloud, natsServer } = processesOf(node);
  cloud.kill('SIGKILL');
  process.kill(natsServer, 'SIGKILL');
  await once(cloud, 'exit');
}

/** Whose nats-server orders the writes. */
async function leader(): Promise<LocalNode> {
  const nc = await connectBus({
    servers: nodes.map((n) => `${n.address}:${clouds.ports.nats}`),
    tls: clouds.files.cloudTls('n1'),
    name: 'test',
  });
  try {
    return await until('a leader of the stream', async () => {
      const { streams } = await jetstreamManager(nc);
      // A log that was made anew has the next epoch.
      const logs = (await streams.list().next())
        .filter(({ config }) => /^LOG_\d+$/.test(config.name))
        .sort((a, b) => Number(a.config.name.slice(4)) - Number(b.config.name.slice(4)));
      return nodes.find((n) => n.name === logs.at(-1)?.cluster?.leader);
    });
  } finally {
    await nc.close();
  }
}

async function during(t: Test, work: () => Promise<void>): Promise<void> {
  const folders = Object.fromEntries(
    nodes.map(({ name }) => [name, join(clouds.files.data(name), 'cloud/state/state')]),
  );
  const { failed } = await underLoad(t, writers(), folders, work);
  t.comment(
    failed.length === 0
      ? 'every write was acknowledged within 15 s'
      : `acknowledged later than 15 s: ${failed.join(', ')}`,
  );
}

t.before(async () => {
  clouds = await localClouds(nodes);
  await Promise.all(nodes.map(start));
  // A new process compiles its code as that is used.
  const first = writers();
  await sleep(20_000);
  await first.stop();
});
t.teardown(() => clouds.stop());

t.test('nothing disturbs the writers', async (t) => {
  await during(t, () => sleep(20_000));
});

t.test('a cloud is killed -9 with its nats-server, and starts again', async (t) => {
  const victim = nodes[1] as LocalNode;
  await during(t, async () => {
    await kill(victim);
    await start(victim);
    await sleep(15_000);
  });
});

t.test('the nats-server that leads the stream is killed -9', async (t) => {
  const victim = await leader();
  await during(t, async () => {
    process.kill(processesOf(victim).natsServer, 'SIGKILL');
    await sleep(20_000);
  });
});

t.test('all of the machine that leads the stream is gone for a while', async (t) => {
  const victim = await leader();
  await during(t, async () => {
    await kill(victim);
    await sleep(20_000);
    await start(victim);
    await sleep(10_000);
  });
});
