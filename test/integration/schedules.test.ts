import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import t, { type Test } from 'tap';
import type { AuditEntry } from '../../src/api/audit.ts';
import type { Page } from '../../src/api/page.ts';
import type { QueryLine } from '../../src/api/queries.ts';
import type { Schedule, ScheduleRun } from '../../src/api/schedules.ts';
import type { ChangeLine } from '../../src/api/watch.ts';
import { saveContext } from '../../src/context/context.ts';
import { firstTime } from '../../src/store/schedule-times.ts';
import {
  API_TOKEN,
  call,
  localClouds,
  open,
  until,
  type Answer,
  type LocalClouds,
  type LocalNode,
} from '../support/local-cloud.ts';
import { powerCut } from '../support/power-cut.ts';
import { testSatellite, type TestSatellite } from '../support/satellites.ts';

/** Scheduled queries of three clouds, the one that runs them killed in the middle of a run. */
const nodes: LocalNode[] = ['n1', 'n2', 'n3'].map((name, i) => ({ name, address: `127.0.0.${i + 1}` }));
const [, n2, n3] = nodes as [LocalNode, LocalNode, LocalNode];
const EVERY = 30;
/** Some intervals, on a machine that does other things too. */
const PATIENCE_MS = 180_000;
/** Schedules of these names begin within a second of their making. */
const soon = (prefix: string): string =>
  Array.from({ length: 1000 }, (_, n) => `${prefix}-${n}`).find((id) => firstTime(id, EVERY * 1000, 0) < 1000) ??
  prefix;
let clouds: LocalClouds;
let satellites: TestSatellite[];
let env: NodeJS.ProcessEnv;
const processes = new Map<string, ChildProcess>();

const api = (
  node: LocalNode,
  path: string,
  options: { method?: string; body?: unknown } = {},
  token = API_TOKEN,
): Promise<Answer> =>
  call(clouds, node, `/api/v1/${path}`, { ...options, headers: { authorization: `Bearer ${token}` } });
async function get<T>(node: LocalNode, path: string): Promise<T> {
  const answer = await api(node, path);
  if (answer.status !== 200) {
    throw new Error(`${path}: ${answer.status} ${answer.body}`);
  }
  return JSON.parse(answer.body) as T;
}
const put = (id: string, body: object, token?: string): Promise<Answer> =>
  api(n2, `schedules/${id}`, { method: 'PUT', body: { name: id, everySeconds: EVERY, ...body } }, token);
const runsOf = async (id: string): Promise<ScheduleRun[]> =>
  (await get<Page<ScheduleRun>>(n2, `schedules/${id}/runs`)).items.toReversed();
const over = (id: string, number: number): Promise<ScheduleRun> =>
  until(
    `run ${number} of ${id} to be over`,
    async () => (await runsOf(id)).find((r) => r.number === number && r.state !== 'running'),
    PATIENCE_MS,
  );

async function terrarium(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, ['src/main.ts', ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const said = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => (said.stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (said.stderr += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { ...said, code };
}

t.before(async () => {
  clouds = await localClouds(nodes, { satellites: ['s1', 's2'] });
  env = { PATH: process.env['PATH'], HOME: t.testdir(), NODE_NO_WARNINGS: '1' };
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
  await Promise.all(nodes.map(async (node) => processes.set(node.name, await clouds.start(node))));
  satellites = ['s1', 's2'].map((id) => testSatellite(clouds, n2, id));
  for (const s of satellites) {
    s.start();
  }
  await Promise.all(satellites.map((s) => s.heard()));
});
t.teardown(async () => {
  await Promise.all(satellites.map((s) => s.kill()));
  await clouds.stop();
});

const regular = soon('regular');
const slow = soon('slow');
/** A run of the regular one whose rows are kept. */
let whole: ScheduleRun;

/** Follows the changes of schedules at one instance. */
async function watchSchedules(node: LocalNode): Promise<{ lines: ChangeLine[]; stop(): void }> {
  const lines: ChangeLine[] = [];
  const watching = await open(clouds, node, '/api/v1/watch?topics=schedules', {
    headers: { authorization: `Bearer ${API_TOKEN}` },
  });
  watching.setEncoding('utf8').on('data', (text: string) => {
    for (const line of text.split('\n')) {
      if (line.startsWith('data: {"seq"')) {
        lines.push(JSON.parse(line.slice(6)) as ChangeLine);
      }
    }
  });
  return { lines, stop: () => void watching.destroy() };
}

/** No run is missing, none is there twice, and each was due at its time. */
function eachOnce(t: Test, all: ScheduleRun[]): void {
  t.same(
    all.map((r) => r.number),
    all.map((_, n) => (all[0]?.number ?? 0) + n),
    'every number once',
  );
  const due = all.filter((r) => r.cause === 'due').map((r) => Date.parse(r.dueAt));
  t.equal(new Set(due).size, due.length, 'no time twice');
  t.ok(
    due.every((at) => (at - (due[0] ?? 0)) % (EVERY * 1000) === 0),
    'each in its place',
  );
}

t.test(
  'one instance runs what is due, and all of them show it; its death in a run loses none and doubles none',
  { timeout: 0 },
  async (t) => {
    const { lines, stop } = await watchSchedules(n3);
    t.equal((await put(regular, { sql: 'select hostname from system' })).status, 200);
    const first = await until(
      'a whole run',
      async () => (await runsOf(regular)).find((r) => r.state === 'done'),
      PATIENCE_MS,
    );
    t.match(first, { counts: { rows: 2 }, rows: 2, kept: 2, cut: '', reason: '' });
    await until('the watch to tell of the run', () =>
      lines.find((l) => l.key === regular && (l.item as Schedule).last?.state === 'done'),
    );
    // One that takes its ten seconds, in which its instance goes.
    t.equal(
      (
        await put(slow, {
          sql: 'with recursive c(n) as (select 1 union all select n + 1 from c) select count(*) from c',
          satellites: ['s1'],
          timeoutMs: 10_000,
        })
      ).status,
      200,
    );
    const begun = await until(
      'n1 to run the slow one',
      async () => (await runsOf(slow)).find((r) => r.state === 'running' && r.runner === 'n1'),
      PATIENCE_MS,
    );
    await powerCut(processes.get('n1'));
    const before = (await runsOf(regular)).at(-1)?.number ?? 0;
    t.match(await over(slow, begun.number), { state: 'lost', runner: 'n1', reason: 'The instance n1 is gone.' });
    const again = await until(
      'the slow one to be run once more',
      async () => (await runsOf(slow)).find((r) => r.number === begun.number + 1),
      PATIENCE_MS,
    );
    t.match(again, { cause: 'again', runner: /^n[23]$/ });
    const next = await until(
      'the other one to be run again',
      async () => (await runsOf(regular)).find((r) => r.number > before && r.state === 'done'),
      PATIENCE_MS,
    );
    t.match(next, { runner: /^n[23]$/, counts: { rows: 2 } });
    eachOnce(t, await runsOf(regular));
    for (const node of [n2, n3]) {
      await until(`${node.name} to count what there is`, async () => {
        const shown = await get<Schedule>(node, `schedules/${regular}`);
        return shown.counts.done === (await runsOf(regular)).filter((r) => r.state === 'done').length
          ? true
          : undefined;
      });
    }
    // An instance that comes back finds nothing of its own to go on with, and runs again what is due.
    processes.set('n1', await clouds.start(nodes[0] as LocalNode));
    const counted = async (node: LocalNode): Promise<number> =>
      (await get<Schedule>(node, `schedules/${slow}`)).counts.lost;
    await until('it to know what the others do', async () =>
      (await counted(nodes[0] as LocalNode)) === (await counted(n2)) ? true : undefined,
    );
    const audit = await get<Page<AuditEntry>>(n2, 'audit?limit=100');
    t.same(
      audit.items.filter((e) => e.kind.startsWith('schedule.')).map((e) => e.kind),
      ['schedule.put', 'schedule.put'],
      'runs are no changes',
    );
    stop();
    // What is looked at below stays.
    for (const id of [regular, slow]) {
      t.equal((await api(n2, `schedules/${id}`, { method: 'PATCH', body: { paused: true } })).status, 200);
    }
    whole = next;
  },
);

t.test('rows are those of the query, as lines for programs', async (t) => {
  const kept = (await api(n3, `schedules/${regular}/runs/${whole.number}/lines`)).body
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as QueryLine);
  t.same(
    kept
      .flatMap((l) => ('seq' in l ? l.rows : []))
      .map(String)
      .sort(),
    ['s1', 's2'],
  );
  t.match(kept.at(-1), { done: true, satellites: { s1: 'rows', s2: 'rows' } });
});

t.test('a schedule asks with the rights of its owner, and stops with them', { timeout: 0 }, async (t) => {
  const person = async (name: string, role: string): Promise<string> => {
    t.equal((await api(n2, 'users', { body: { name, role, password: `first of ${name}` } })).status, 201);
    const login = JSON.parse(
      (await call(clouds, n2, '/api/v1/login', { body: { user: name, password: `first of ${name}` } })).body,
    ) as { token: string };
    return (
      JSON.parse(
        (
          await api(
            n2,
            'password',
            { body: { current: `first of ${name}`, password: `second of ${name}` } },
            login.token,
          )
        ).body,
      ) as { token: string }
    ).token;
  };
  const eva = await person('eva', 'operator');
  const vic = await person('vic', 'viewer');
  const body = { sql: 'select 1 as one', tags: { room: 'none' } };
  t.equal((await put('hers', body, vic)).status, 403);
  t.equal((await put('hers', body, eva)).status, 200);
  t.equal((await api(n2, 'schedules/hers', {}, vic)).status, 200, 'a viewer sees it');
  t.equal((await put(regular, body, eva)).status, 403, "somebody else's");
  t.equal((await api(n2, `schedules/${regular}/runs/${whole.number}/lines`, {}, vic)).status, 403, 'and no rows');
  t.equal((await api(n2, `schedules/${regular}/runs`, { method: 'POST' }, eva)).status, 403);
  t.equal((await api(n2, 'schedules/hers/runs', { method: 'POST' }, eva)).status, 201);
  const empty = await until('it to have run', async () =>
    (await runsOf('hers')).find((r) => r.cause === 'asked' && r.state !== 'running'),
  );
  t.match(empty, { state: 'failed', actor: 'eva', reason: 'No satellite that is heard fits the choice.' });
  t.equal((await api(n2, 'users/eva', { method: 'DELETE' })).status, 204);
  t.match(await get<Schedule>(n2, 'schedules/hers'), {
    state: 'stopped',
    reason: 'Its owner eva has been deleted.',
    nextAt: null,
  });
  t.equal((await api(n2, 'schedules/hers/runs', { method: 'POST' })).status, 403, 'nobody runs it for her');
  t.equal((await api(n2, 'schedules/hers', { method: 'PATCH', body: { paused: false } })).status, 200);
  t.match(
    await get<Schedule>(n2, 'schedules/hers'),
    { state: 'enabled', owner: 'admin', reason: '' },
    'but in his own name',
  );
  // A saved query is taken as it is when it runs, and missed when it is gone.
  await api(n2, 'saved-queries/names', { method: 'PUT', body: { name: 'names', sql: 'select hostname from system' } });
  t.equal((await put('by-name', { query: 'no-such', paused: true })).status, 404);
  t.equal((await put('by-name', { query: 'names', sql: 'select 1', paused: true })).status, 400);
  t.equal((await put('by-name', { query: 'names', satellites: ['s2'], paused: true })).status, 200);
  t.equal((await api(n2, 'schedules/by-name/runs', { method: 'POST' })).status, 201);
  t.match(await over('by-name', 1), { state: 'done', rows: 1 });
  await api(n2, 'saved-queries/names', { method: 'DELETE' });
  t.equal((await api(n2, 'schedules/by-name/runs', { method: 'POST' })).status, 201);
  t.match(await over('by-name', 2), { state: 'failed', reason: 'There is no saved query names any more.' });
  const metrics = (await call(clouds, n2, '/metrics', { headers: { authorization: `Bearer ${API_TOKEN}` } })).body;
  t.match(metrics, /terrarium_schedule_runs_total\{outcome="(failed|done)"\} [1-9]/);
});

t.test('from the command line', { timeout: 0 }, async (t) => {
  const created = await terrarium(
    'schedule',
    'create',
    'cli',
    'select hostname, 1 as one from system',
    '--every',
    '1h30m',
    '--satellite',
    's1',
    '--satellite',
    'gone',
    '--paused',
  );
  t.match(created, { code: 0, stdout: 'schedules/cli created\n' });
  t.match(await terrarium('schedule', 'create', 'cli', 'select 1', '--every', '5m'), {
    code: 1,
    stderr: /already.*--replace/,
  });
  t.match(await terrarium('schedule', 'create', 'x', 'select 1', '--every', '10s'), {
    code: 1,
    stderr: /everySeconds/,
  });
  t.match(await terrarium('schedule', 'create', 'x', 'select 1', '--every', 'often'), { code: 2 });
  t.match(await terrarium('schedule', 'results', 'cli'), { code: 1, stderr: /has not run yet/ });
  const ran = await terrarium('schedule', 'run', 'cli', '--csv');
  t.match(ran, {
    code: 3,
    stdout: 'satellite,hostname,one\r\ns1,s1,1\r\n',
    stderr: /gone: There is no satellite gone.*partial: 1 of 2 satellites/s,
  });
  t.match(
    (await terrarium('schedule', 'results', 'cli', '--json')).stdout,
    /\{"satellite":"s1","row":\{"hostname":"s1","one":1\}\}\n/,
  );
  t.match(
    (await terrarium('schedule', 'runs', 'cli')).stdout,
    /^RUN .*\n1 .* partial +asked +n\d +1 rows, 1 error +1 +1 /,
  );
  t.match(await terrarium('schedule', 'resume', 'cli'), { code: 0, stdout: 'schedules/cli resumed\n' });
  t.match((await terrarium('get', 'schedules', 'cli')).stdout, /^ID +EVERY.*\ncli +1h30m +enabled +partial/);
  t.match(await terrarium('schedule', 'pause', 'cli'), { code: 0 });
  t.match(
    (await terrarium('describe', 'schedule', 'cli')).stdout,
    /state: paused[\s\S]*schedule.state +ok +state: enabled → paused/,
  );
  t.match(await terrarium('delete', 'schedule', 'cli'), { code: 0 });
  t.match(await terrarium('schedule', 'results', 'cli'), { code: 1, stderr: /no schedule cli/ });
});
