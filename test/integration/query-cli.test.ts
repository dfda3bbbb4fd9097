import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import t from 'tap';
import { saveContext } from '../../src/context/context.ts';
import { API_TOKEN, call, localClouds, until, type LocalClouds } from '../support/local-cloud.ts';
import { childrenOf, powerCut } from '../support/power-cut.ts';

const nodes = ['n1', 'n2', 'n3'].map((name, i) => ({ name, address: `127.0.0.${i + 1}` }));
let clouds: LocalClouds;
let env: NodeJS.ProcessEnv;
const cloudOf = new Map<string, ChildProcess>();
const satelliteOf = new Map<string, ChildProcess>();

interface Result {
  code: number | null;
  stdout: string;
  stderr: string;
}

function start(...args: string[]): { child: ChildProcess; result: Promise<Result> } {
  const child = spawn(process.execPath, ['src/main.ts', ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const result: Result = { code: null, stdout: '', stderr: '' };
  child.stdout?.on('data', (chunk: Buffer) => (result.stdout += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (result.stderr += chunk.toString()));
  return { child, result: once(child, 'close').then(([code]) => ({ ...result, code: code as number | null })) };
}

const run = (...args: string[]): Promise<Result> => start(...args).result;

async function stop(child: ChildProcess): Promise<void> {
  child.kill();
  await once(child, 'exit');
}

t.before(async () => {
  clouds = await localClouds(nodes);
  env = { PATH: process.env['PATH'], HOME: t.testdir(), NODE_NO_WARNINGS: '1' };
  t.match(
    await run('query', 'select 1'),
    { code: 2, stderr: /no cluster in .*terrarium install/s },
    'without a context there is one sentence',
  );
  saveContext(env, {
    name: 'test',
    clusterId: 'c0ffee',
    controlPlanes: nodes,
    ports: { api: clouds.ports.api, console: clouds.ports.console },
    ca: clouds.files.authority.cert,
    caFingerprint: 'sha256:00',
    token: API_TOKEN,
    kubeconfig: { ca: clouds.files.authority.cert, clientCertificate: '', clientKey: '' },
  });
  await Promise.all(nodes.map(async (node) => cloudOf.set(node.name, await clouds.start(node))));
  for (const node of nodes) {
    satelliteOf.set(
      node.name,
      spawn(process.execPath, ['src/main.ts', 'satellite'], {
        env: { ...clouds.env(node), NODE_NO_WARNINGS: '1' },
        stdio: 'ignore',
      }),
    );
  }
  await until(
    'three satellites',
    async () => ((await run('query', '--json', 'select 1')).stdout.match(/"row"/g)?.length === 3 ? true : undefined),
    30_000,
  );
});

t.after(async () => {
  await Promise.all([...satelliteOf.values()].map((s) => stop(s)));
  await clouds.stop();
});

t.test('rows of all satellites as a table', async (t) => {
  const { code, stdout, stderr } = await run(
    'query',
    `select pid, name, cmdline from processes where pid = ${process.pid}`,
  );
  t.equal(code, 0, stderr);
  const [header, ...rows] = stdout.trimEnd().split('\n');
  t.match(header, /^satellite  pid +name +cmdline$/);
  t.strictSame(
    rows.map((r) => r.split(/ +/).slice(0, 2)).sort(),
    nodes.map((n) => [n.name, String(process.pid)]),
  );
});

t.test('a saved query', async (t) => {
  t.equal(
    (
      await call(clouds, nodes[0] as (typeof nodes)[0], '/api/v1/saved-queries/answer', {
        method: 'PUT',
        body: { name: 'Answer', sql: 'select 6 * 7 as answer' },
        headers: { authorization: `Bearer ${API_TOKEN}` },
      })
    ).status,
    200,
  );
  t.match(await run('query', '--saved', 'answer', '--satellite', 'n1', '--csv'), {
    code: 0,
    stdout: 'satellite,answer\r\nn1,42\r\n',
    stderr: '',
  });
});

t.test('chosen satellites, as JSON', async (t) => {
  const { code, stdout } = await run(
    'query',
    '--satellite',
    'n1',
    '--satellite',
    'n3',
    '--json',
    'select hostname from system',
  );
  t.equal(code, 0);
  const lines = stdout
    .trimEnd()
    .split('\n')
    .map((l) => JSON.parse(l) as Record<string, unknown>);
  t.strictSame(
    lines.filter((l) => 'row' in l).sort((a, b) => String(a['satellite']).localeCompare(String(b['satellite']))),
    ['n1', 'n3'].map((satellite) => ({ satellite, row: { hostname: hostname() } })),
  );
  t.match(lines.at(-1), { done: true, satellites: { n1: 'rows', n3: 'rows' }, rows: 2 });
});

t.test('many rows arrive whole and in order', async (t) => {
  const { code, stdout } = await run(
    'query',
    '--satellite',
    'n2',
    'with recursive c(x) as (select 1 union all select x + 1 from c where x < 9000) select x, hex(zeroblob(100)) z ' +
      'from c',
  );
  t.equal(code, 0);
  t.strictSame(
    stdout
      .trimEnd()
      .split('\n')
      .slice(1)
      .map((l) => Number(l.split(/ +/)[1])),
    Array.from({ length: 9_000 }, (_, i) => i + 1),
  );
});

t.test('the rows of all in one order, and no more than are wanted', async (t) => {
  const { code, stdout, stderr } = await run(
    'query',
    '--order-by',
    'n desc, word',
    '--limit',
    '5',
    '--csv',
    `select 1 as n, 'say "a", b' as word union select 2, 'x' -- or so;`,
  );
  t.equal(code, 0, stderr);
  t.equal(
    stdout,
    ['satellite,n,word', 'n1,2,x', 'n2,2,x', 'n3,2,x', 'n1,1,"say ""a"", b"', 'n2,1,"say ""a"", b"', ''].join('\r\n'),
  );
  const endless = await run(
    'query',
    '--order-by',
    'x',
    '--limit',
    '3',
    '--json',
    'with recursive c(x) as (select 1 union all select x + 1 from c where x < 200000) select x from c',
  );
  t.match(endless, { code: 0, stdout: /"done":true,"satellites":\{"n1":"rows","n2":"rows","n3":"rows"\},"rows":3/ });
  // More than the satellites' credits, so that they have to be given back.
  const many = await run(
    'query',
    '--order-by',
    'x',
    '--max-rows',
    '12000',
    '--csv',
    'with recursive c(x) as (select 1 union all select x + 1 from c where x < 12000) select x, hex(zeroblob(60)) z ' +
      'from c',
  );
  t.equal(many.code, 0, many.stderr);
  t.strictSame(
    many.stdout
      .trimEnd()
      .split('\r\n')
      .slice(1)
      .map((l) => l.split(',').slice(0, 2).join()),
    Array.from({ length: 36_000 }, (_, i) => `n${(i % 3) + 1},${Math.floor(i / 3) + 1}`),
  );
  t.match(await run('query', '--order-by', 'nothing', 'select 1 as n'), {
    code: 1,
    stderr: /n1: no such column: nothing/,
  });
});

t.test('what is wrong is said for each satellite, and the exit code tells', async (t) => {
  t.match(await run('query', 'select * from nowhere'), {
    code: 1,
    stdout: '',
    stderr: /n1: no such table: nowhere.*\n(.*\n)*/,
  });
  t.match(await run('query', '--satellite', 'n1', '--max-rows', '5', 'select pid from processes'), {
    code: 0,
    stderr: /n1: the result was cut off after 5 rows/,
  });
  t.match(
    await run(
      'query',
      '--satellite',
      'n1',
      '--max-bytes',
      '1KiB',
      '--json',
      'select pid, cmdline, name from processes',
    ),
    {
      code: 0,
      stdout: /"truncated":"bytes"/,
      stderr: /n1: the result was cut off after \d+ rows, by the limit of bytes\. Use --max-bytes for more/,
    },
  );
  const unknown = await run('query', '--satellite', 'nope', 'select 1');
  t.equal(unknown.code, 1);
  t.match(unknown.stderr, /nope/);
  t.match(await run('query', '--timeout', '0', 'select 1'), { code: 2 });
  for (const format of [[], ['--json'], ['--csv']]) {
    const some = await run('query', ...format, '--satellite', 'n1', '--satellite', 'nope', 'select 6 * 7 as answer');
    t.match(
      some,
      { code: 3, stdout: /n1.*42/s, stderr: /There is no satellite nope/ },
      `some answered ${format.join('')}`,
    );
  }
});

t.test('Ctrl-C ends the statement on the satellite', async (t) => {
  const { child, result } = start(
    'query',
    '--satellite',
    'n2',
    '--timeout',
    '60',
    'with recursive c(x) as (select 1 union all select x + 1 from c) select max(x) from c',
  );
  // Other children are kept for the next statement; the one that has worked for a second runs this one.
  const busy = (): number | undefined =>
    childrenOf(satelliteOf.get('n2')?.pid).find((pid) => {
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
      return fields[0] === 'R' && Number(fields[11]) + Number(fields[12]) > 100;
    });
  const pid = await until('the child that runs it', busy);
  child.kill('SIGINT');
  t.equal((await result).code, 130);
  await until('its end', () => (childrenOf(satelliteOf.get('n2')?.pid).includes(pid) ? undefined : true), 2_000);
});

t.test('with one cloud killed, queries go through another', async (t) => {
  await powerCut(cloudOf.get('n1'));
  await until(
    'all three satellites again',
    async () => {
      const { code, stdout } = await run('query', '--json', 'select 1');
      return code === 0 && stdout.match(/"row"/g)?.length === 3 ? true : undefined;
    },
    30_000,
  );
  const { code, stdout } = await run('status', '--json');
  t.equal(code, 1);
  const { problems, reachable } = JSON.parse(stdout) as { problems: string[]; reachable: boolean };
  t.equal(reachable, true);
  t.match(problems[0], /^n1 \(127\.0\.0\.1\): unreachable: API server and console do not answer/);
  t.match(problems.join('\n'), /Kubernetes could not be asked/);
  t.match((await run('status')).stdout, '\nSatellites: 3 healthy\n');
});

t.test('with all clouds gone the exit code is 5 and every machine is named', async (t) => {
  await Promise.all([...cloudOf.values()].map((c) => powerCut(c)));
  t.match(await run('query', 'select 1'), {
    code: 5,
    stderr: /n1 \(127\.0\.0\.1\).*n2 \(127\.0\.0\.2\).*n3 \(127\.0\.0\.3\)/,
  });
  t.match(await run('status'), { code: 5 });
});

t.end();
