import { request } from 'node:https';
import t from 'tap';
import type { QueryLine } from '../../src/api/queries.ts';
import type { SatelliteInfo } from '../../src/api/satellites.ts';
import { DIRECT_PATH } from '../../src/bus/direct.ts';
import { API_PATHS } from '../../src/cloud/api-paths.ts';
import type { DirectQueryReply, DnsReply } from '../../src/cloud/direct-api.ts';
import { API_TOKEN, call, localClouds, until, type LocalClouds, type LocalNode } from '../support/local-cloud.ts';
import { testSatellite, type TestSatellite } from '../support/satellites.ts';
import { pattern } from './support/pattern.ts';

/** Rows that are larger than a message of the bus, from a real satellite, through the cloud and past it. */
const node: LocalNode = { name: 'n1', address: '127.0.0.1' };
const auth = { authorization: `Bearer ${API_TOKEN}` };
let clouds: LocalClouds;
let satellite: TestSatellite;

t.before(async () => {
  clouds = await localClouds([node]);
  await clouds.start(node);
  satellite = testSatellite(clouds, node, 'n1');
  satellite.start();
  await satellite.heard();
});
t.teardown(async () => {
  await satellite.kill();
  await clouds.stop();
});

const MIB = 1024 * 1024;
/** 1 MiB of characters that JSON escapes, that need three bytes, and that are two units each. */
const TEXT = "select replace(hex(zeroblob(131072)), '00', '€\"😀') as text";

async function viaCloud(sql: string, more: object = {}): Promise<QueryLine[]> {
  const answer = await call(clouds, node, '/api/v1/queries', {
    headers: auth,
    body: { sql, satellites: ['n1'], timeoutMs: 60_000, ...more },
  });
  if (answer.status !== 200) {
    throw new Error(answer.body);
  }
  return linesOf(answer.body);
}

async function directly(sql: string): Promise<QueryLine[]> {
  const body = { sql, satellites: ['n1'], timeoutMs: 60_000 };
  let last = '';
  const token = await until('a token', async () => {
    last = (await call(clouds, node, '/api/v1/direct-queries', { headers: auth, body })).body;
    const grant = (JSON.parse(last) as DirectQueryReply).satellites[0];
    return grant !== undefined && 'token' in grant ? grant.token : undefined;
  }).catch((error: Error) => {
    throw new Error(`${error.message}: ${last}`);
  });
  const { authority } = JSON.parse((await call(clouds, node, API_PATHS.dns, { headers: auth })).body) as DnsReply;
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host: '127.0.0.1',
        port: clouds.ports.direct,
        path: DIRECT_PATH,
        method: 'POST',
        agent: false,
        ca: authority ?? '',
        servername: 'n1.satellites.terrarium.internal',
        headers: {
          authorization: `Bearer ${token}`,
          'content-type': 'application/json',
          origin: `https://127.0.0.1:${clouds.ports.console}`,
        },
      },
      (res) => {
        const chunks: Buffer[] = [];
        res
          .on('data', (chunk: Buffer) => chunks.push(chunk))
          .on('error', reject)
          .on('end', () => resolve(linesOf(Buffer.concat(chunks).toString())));
      },
    );
    sent.on('error', reject);
    sent.end(JSON.stringify({ sql }));
  });
}

const linesOf = (text: string): QueryLine[] =>
  text
    .split('\n')
    .filter((l) => l !== '')
    .map((l) => JSON.parse(l) as QueryLine);
const rowsOf = (lines: QueryLine[]): unknown[][] => lines.flatMap((l) => ('rows' in l && 'sat' in l ? l.rows : []));
const errorOf = (lines: QueryLine[]): { code: string; message: string } | undefined =>
  lines.flatMap((l) => ('error' in l ? [l.error] : []))[0];

for (const [way, run] of [
  ['through the cloud', viaCloud],
  ['directly', directly],
] as const) {
  t.test(`a value of 1 MiB arrives whole, ${way}`, { timeout: 240_000 }, async (t) => {
    const [text] = rowsOf(await run(TEXT));
    t.equal(String(text?.[0]).length, 131072 * 4);
    t.ok(text?.[0] === '€"😀'.repeat(131072), 'every character of it');
    const [[one, blob, last] = []] = rowsOf(await run(`select 1 as one, zeroblob(${MIB}) as blob, 'end' as last`));
    t.same([one, last], [1, 'end']);
    t.same(blob, { blob: Buffer.alloc(MIB).toString('base64') });
  });

  t.test(`many large rows between small ones come in order, ${way}`, { timeout: 240_000 }, async (t) => {
    const lines = await run(
      'with recursive c(n) as (select 1 union all select n + 1 from c where n < 60) select n, zeroblob(case when n ' +
        '% 3 = 0 then 600000 when n % 3 = 1 then 5 else 100000 end) as b from c',
    );
    t.same(errorOf(lines), undefined);
    const rows = rowsOf(lines);
    t.same(
      rows.map((r) => r[0]),
      Array.from({ length: 60 }, (_, i) => i + 1),
    );
    t.same(
      rows.map((r) => Buffer.from((r[1] as { blob: string }).blob, 'base64').length),
      rows.map((_, i) => [600_000, 5, 100_000][(i + 1) % 3]),
    );
  });

  t.test(
    `what is larger than may be is an error with the limit and what to do, and nothing is cut, ${way}`,
    { timeout: 240_000 },
    async (t) => {
      const value = errorOf(await run('select zeroblob(5000000)'));
      t.match(value, { code: 'query.too-large', message: /larger than 1064960 bytes.*substr\(\)/ });
      const row = errorOf(await run(`select ${Array.from({ length: 5 }, () => 'zeroblob(1000000)').join(', ')}`));
      t.match(row, {
        code: 'query.too-large',
        message: pattern(
          /is \d+ bytes long \(as JSON\), and 4 MiB are the most: /,
          /select fewer columns, or parts of long values by substr\(\)/,
        ),
      });
      t.same(rowsOf(await run('select 42')), [[42]]);
    },
  );
}

t.test('large rows in one order, and no more than were wanted', { timeout: 240_000 }, async (t) => {
  // Again and again: what a process has left over of the one must not count as what the next needs.
  for (let n = 0; n < 30; n += 1) {
    const lines = await viaCloud("select value as n, zeroblob(700000) as b from json_each('[3,1,4,15,9,2,6,5]')", {
      order: [{ column: 'n', descending: true }],
      limit: 5,
    });
    t.same(errorOf(lines), undefined, `time ${n}`);
    const rows = rowsOf(lines);
    t.same(
      rows.map((r) => r[0]),
      [15, 9, 6, 5, 4],
    );
    t.ok(rows.every((r) => Buffer.from((r[1] as { blob: string }).blob, 'base64').length === 700_000));
  }
  const info = JSON.parse((await call(clouds, node, '/api/v1/satellites/n1', { headers: auth })).body) as SatelliteInfo;
  t.equal(info.state, 'healthy');
});
