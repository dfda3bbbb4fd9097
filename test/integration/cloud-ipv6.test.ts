import { spawn, type ChildProcess } from 'node:child_process';
import t from 'tap';
import type { Overview } from '../../src/api/overview.ts';
import { API_TOKEN, call, localClouds, until, type LocalClouds } from '../support/local-cloud.ts';

const node = { name: 'n1', address: '::1' };
const asToken = { headers: { authorization: `Bearer ${API_TOKEN}` } };
let clouds: LocalClouds;
let satellite: ChildProcess;

t.before(async () => {
  clouds = await localClouds([node]);
  await clouds.start(node);
  satellite = spawn(process.execPath, ['src/main.ts', 'satellite'], { env: clouds.env(node), stdio: 'ignore' });
});

t.teardown(async () => {
  satellite.kill('SIGKILL');
  await clouds.stop();
});

t.test('a cloud with nothing but IPv6: console, bus, satellite, query', async (t) => {
  t.equal((await call(clouds, node, '/readyz')).status, 200);
  const seen = await until('the satellite', async () => {
    const o = JSON.parse((await call(clouds, node, '/api/v1/overview', asToken)).body) as Overview;
    return o.satellites.counts.healthy === 1 && o.clouds[0]?.nats.role === 'single' ? o : undefined;
  });
  t.match(seen.clouds, [{ name: 'n1', state: 'healthy', nats: { role: 'single', peers: [] } }]);
  const answer = await call(clouds, node, '/api/v1/queries', {
    ...asToken,
    body: { sql: 'select pid from processes limit 1' },
  });
  t.match(JSON.parse(answer.body.trim().split('\n').at(-1) ?? ''), { done: true, satellites: { n1: 'rows' } });
});
