import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { cpSync, mkdirSync, rmSync, statfsSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { decode, encode, type Answer as DnsAnswer } from 'dns-packet';
import t from 'tap';
import type { CloudInfo, Overview } from '../../src/api/overview.ts';
import { createCloudClient } from '../../src/context/client.ts';
import type { Context } from '../../src/context/context.ts';
import { diagnose } from '../../src/context/diagnosis.ts';
import { survey } from '../../src/context/survey.ts';
import {
  API_TOKEN,
  PASSWORD,
  call,
  localClouds,
  until,
  type Answer,
  type LocalClouds,
  type LocalNode,
} from '../support/local-cloud.ts';
import { testSatellite, type TestSatellite } from '../support/satellites.ts';

/** Three instances, the first on a disk of its own that gets full and is freed again. */
const nodes = ['n1', 'n2', 'n3'].map((name, i) => ({ name, address: `127.0.0.${i + 1}` }));
const [n1, n2] = nodes as [LocalNode, LocalNode];
const GIB = 1024 ** 3;
const headers = { authorization: `Bearer ${API_TOKEN}` };
let clouds: LocalClouds;
let satellite: TestSatellite;
let context: Context;
let disk: string;

const api = (node: LocalNode, path: string, body?: unknown): Promise<Answer> =>
  call(clouds, node, path, { headers, ...(body === undefined ? {} : { body }) });
const cloudOf = async (node: LocalNode, name: string): Promise<CloudInfo | undefined> =>
  (JSON.parse((await api(node, '/api/v1/overview')).body) as Overview).clouds.find((c) => c.name === name);

/** Leaves so much of the disk free, bytes. */
function leave(bytes: number): void {
  const file = join(disk, 'fill');
  rmSync(file, { force: true });
  // What was freed is free after the journal's next commit.
  execFileSync('sync', ['-f', disk]);
  const { bavail, bsize } = statfsSync(disk);
  execFileSync('fallocate', ['-l', String(Math.floor(bavail * bsize - bytes)), file]);
}

async function consoleAddresses(from: LocalNode): Promise<string[]> {
  const socket = createSocket('udp4');
  socket.send(
    encode({ type: 'query', id: 1, questions: [{ type: 'A', name: 'console.terrarium.internal' }] }),
    clouds.ports.dns,
    from.address,
  );
  const [reply] = (await once(socket, 'message')) as [Buffer];
  socket.close();
  return (decode(reply).answers ?? []).map((a: DnsAnswer) => ('data' in a ? String(a.data) : '')).sort();
}

if (process.getuid?.() !== 0) {
  t.plan(0, 'needs root');
} else {
  t.before(async () => {
    clouds = await localClouds(nodes, { satellites: ['s1'] });
    disk = join(clouds.files.data('n1'), 'cloud/state');
    const image = join(clouds.files.root, 'disk');
    const copy = join(clouds.files.root, 'copy');
    cpSync(disk, copy, { recursive: true });
    writeFileSync(image, '');
    // What is not written of it takes no room.
    truncateSync(image, 12 * GIB);
    execFileSync('mkfs.ext4', ['-q', '-F', '-m', '0', image]);
    mkdirSync(disk, { recursive: true });
    execFileSync('mount', ['-o', 'loop', image, disk]);
    cpSync(copy, disk, { recursive: true });
    await Promise.all(nodes.map((n) => clouds.start(n)));
    satellite = testSatellite(clouds, n1, 's1');
    satellite.start();
    await satellite.heard();
    context = {
      name: 'test',
      clusterId: 'c0ffee',
      controlPlanes: nodes,
      ports: { api: 1, console: clouds.ports.console },
      ca: clouds.files.authority.cert,
      caFingerprint: '',
      token: API_TOKEN,
      kubeconfig: { ca: clouds.files.authority.cert, clientCertificate: '', clientKey: '' },
    };
  });
  t.teardown(async () => {
    await satellite.kill();
    await clouds.halt();
    execFileSync('umount', ['--lazy', disk]);
    await clouds.stop();
  });

  t.test('with little room left it warns, and goes on', async (t) => {
    t.equal((await cloudOf(n2, 'n1'))?.warning, undefined);
    leave(1.4 * GIB);
    const warned = await until('the warning at another instance', async () => {
      const cloud = await cloudOf(n2, 'n1');
      return cloud?.warning === undefined ? undefined : cloud;
    });
    t.match(warned, {
      state: 'healthy',
      warning: /^Only 1\d % of the disk of the cloud are free; below 7 % or 1 GiB nothing can be changed here\.$/,
    });
    t.equal((await api(n1, '/api/v1/users', { name: 'before', role: 'viewer', password: PASSWORD })).status, 201);
    t.match(diagnose(await survey(context)).warnings, ['cloud n1: Only 1']);
    const free = Number(/^terrarium_disk_free_ratio (\S+)$/m.exec((await api(n1, '/metrics')).body)?.[1]);
    t.ok(free > 0.08 && free < 0.15, `${free}`);
  });

  t.test(
    'without room it is not ready and says why; reading and queries go on there, changes and the name of the ' +
      'console go to the others',
    async (t) => {
      leave(0.5 * GIB);
      const refused = await until('it to be not ready', async () => {
        const answer = await call(clouds, n1, '/readyz');
        return answer.status === 200 ? undefined : answer;
      });
      t.match(refused, { status: 503, body: /too little free space on the disk of the cloud/ });
      t.equal((await call(clouds, n1, '/healthz')).status, 200, 'it is not to be started again for that');
      t.match(
        await until('the others to know', async () => {
          const cloud = await cloudOf(n2, 'n1');
          return cloud?.state === 'not-ready' ? cloud : undefined;
        }),
        { reason: /too little free space/ },
      );
      t.match(
        diagnose(await survey(context)).problems.join('\n'),
        /^n1 \(127\.0\.0\.1\): .*the console is not ready: There is too little free space/m,
      );
      t.same(await consoleAddresses(n2), ['127.0.0.2', '127.0.0.3']);

      t.equal((await api(n1, '/api/v1/login', { user: 'admin', password: PASSWORD })).status, 507);
      t.match(
        (await api(n1, '/api/v1/queries', { sql: 'select 6 * 7', satellites: ['s1'], timeoutMs: 60_000 })).body,
        '[[42]]',
      );
      t.match(
        await createCloudClient(context).change('POST', '/api/v1/users', {
          name: 'during',
          role: 'viewer',
          password: PASSWORD,
        }),
        { name: 'during' },
      );
      await until('what the others have written there', async () =>
        (await api(n1, '/api/v1/users/during')).status === 200 ? true : undefined,
      );
      t.match((await api(n1, '/metrics')).body, /^terrarium_ready 0$/m);
    },
  );

  t.test('with room again it is ready by itself', async (t) => {
    leave(3 * GIB);
    await until('it to be ready', async () => ((await call(clouds, n1, '/readyz')).status === 200 ? true : undefined));
    t.equal((await api(n1, '/api/v1/users', { name: 'after', role: 'viewer', password: PASSWORD })).status, 201);
    await until('its name to be back', async () =>
      (await consoleAddresses(n2)).includes(n1.address) ? true : undefined,
    );
  });
}
