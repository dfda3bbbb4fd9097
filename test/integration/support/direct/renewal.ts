import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { join } from 'node:path';
import type { Test } from 'tap';
import { connectBus } from '../../../../src/bus/connect.ts';
import { DAY_MS } from '../../../../src/pki/crypto.ts';
import { startDirect } from '../../../../src/satellite/direct/direct.ts';
import { Pool } from '../../../../src/satellite/sql/pool.ts';
import { until, type LocalClouds, type LocalNode } from '../../../support/local-cloud.ts';
import { NAME, code, type DirectRequests } from './requests.ts';
import type { SatelliteProcesses } from './satellites.ts';

export interface RenewalWorld {
  clouds(): LocalClouds;
  /** Nodes whose satellites run: n1 and n2. */
  nodes: { first: LocalNode; second: LocalNode };
  requests: DirectRequests;
  satellites: SatelliteProcesses;
}

/** Registers the tests of an endpoint's certificate over a restart and over its renewal. */
export function renewalTests(t: Test, world: RenewalWorld): void {
  t.test('a restarted satellite keeps its certificate and refuses what it may have answered before', (t) =>
    keptOverARestart(t, world),
  );
  t.test('a certificate is renewed while it is in use, without a restart', { timeout: 120_000 }, (t) =>
    renewedInUse(t, world),
  );
}

async function keptOverARestart(t: Test, world: RenewalWorld): Promise<void> {
  const { nodes, satellites } = world;
  const { open, post, send, token } = world.requests;
  const clouds = world.clouds();
  const file = join(clouds.files.data('n1'), 'satellite/state/direct/endpoint.pem');
  const before = readFileSync(file, 'utf8');
  const old = await token('select 1');
  await satellites.stop('n1');
  satellites.start(nodes.first);
  await until(
    'its endpoint',
    () =>
      open({ method: 'OPTIONS' }).then(
        (answer) => (answer.resume(), true),
        () => undefined,
      ),
    30_000,
  );
  const reply = await send(post(old, 'select 1'));
  t.equal(code(reply), '401 direct.token');
  t.match(reply.body, /made before n1 was started/);
  t.equal(readFileSync(file, 'utf8'), before);
}

async function renewedInUse(t: Test, world: RenewalWorld): Promise<void> {
  const { nodes, requests, satellites } = world;
  const clouds = world.clouds();
  await satellites.stop('n2');
  let offset = 0;
  const pool = new Pool({ tables: [], env: {}, history: undefined, notes: () => ({}), now: Date.now });
  const said: string[] = [];
  const direct = startDirect({
    sat: 'n2',
    pool,
    data: clouds.files.data('n2'),
    address: '127.0.0.2',
    port: undefined,
    log: (line) => said.push(line),
    now: () => Date.now() + offset,
  });
  const nc = await connectBus({
    servers: [`127.0.0.2:${clouds.ports.nats}`],
    tls: clouds.files.satelliteTls('n2'),
    name: 'n2',
  });
  const detach = direct.attach(nc);
  t.teardown(async () => {
    detach();
    await direct.stop();
    pool.close();
    await nc.close();
    satellites.start(nodes.second);
  });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.teardown(() => agent.destroy());
  const serial = async (by?: Agent): Promise<string> => {
    const answer = await requests.open({
      method: 'OPTIONS',
      host: '127.0.0.2',
      servername: NAME.replace('n1', 'n2'),
      ...(by === undefined ? {} : { agent: by }),
    });
    const { serialNumber } = (
      answer.socket as unknown as { getPeerCertificate(): { serialNumber: string } }
    ).getPeerCertificate();
    answer.resume();
    await once(answer, 'end');
    return serialNumber;
  };
  const before = await until('the endpoint', () => serial(agent).catch(() => undefined), 60_000);
  t.equal(await serial(), before);
  offset = 53 * DAY_MS;
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  t.equal(await serial(), before, 'not after 53 days');
  offset = 55 * DAY_MS;
  const after = await until(
    'another certificate',
    async () => ((await serial()) === before ? undefined : await serial()),
    60_000,
  );
  t.equal(
    new X509Certificate(readFileSync(join(clouds.files.data('n2'), 'satellite/state/direct/endpoint.pem')))
      .serialNumber,
    after,
  );
  t.equal(await serial(agent), before, 'a connection that stands goes on');
  t.equal(said.filter((line) => line.includes('has a certificate')).length, 1, said.join());
}
