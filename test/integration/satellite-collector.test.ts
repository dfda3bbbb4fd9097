import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import t from 'tap';
import { parseAllDocuments } from 'yaml';
import { addonPath } from '../../src/assets.ts';
import { renderManifest } from '../../src/kube/manifest.ts';
import type { KubeObject } from '../../src/kube/types.ts';
import { startCollector, type Collector } from '../../src/satellite/collector/collector.ts';
import { Pool } from '../../src/satellite/sql/pool.ts';
import { loadTables, type Table } from '../../src/satellite/table.ts';
import { kubeApi, type KubeApi } from '../support/kube-api.ts';
import { until } from '../support/local-cloud.ts';

let tables: Table[];
let root: string;
const NODE = 'n1';

t.before(async () => {
  tables = await loadTables();
  root = mkdtempSync(join(tmpdir(), 'terrarium-collector-'));
});
t.after(() => rmSync(root, { recursive: true, force: true }));

interface Running {
  collector: Collector;
  rows(sql: string): Record<string, unknown>[];
  log: string[];
  stop(): Promise<void>;
}

/**
 * By the library that writes: locks of POSIX are a process's, so that two libraries in one process would not see each
 * other's.
 */
function openReader(collector: Collector): Database.Database {
  return new Database(collector.file ?? '', { readonly: true, nativeBinding: addonPath() });
}

/** A collector with a folder of its own, and a reader of its database. */
function start(name: string, env: NodeJS.ProcessEnv = {}): Running {
  const data = join(root, name);
  const log: string[] = [];
  const collector = startCollector({
    env: {
      TERRARIUM_DATA: data,
      TERRARIUM_POD_LOGS: join(data, 'pods'),
      TERRARIUM_SERVICE_ACCOUNT: join(data, 'none'),
      TERRARIUM_COLLECTOR: '{"sampleSeconds":1}',
      ...env,
    },
    node: NODE,
    tables,
    log: (line) => log.push(line),
  });
  const reader = openReader(collector);
  let stopped = false;
  return {
    collector,
    log,
    rows: (sql) => reader.prepare<[], Record<string, unknown>>(sql).all(),
    stop: async () => {
      if (stopped) {
        return;
      }
      stopped = true;
      await collector.stop();
      reader.close();
    },
  };
}

const cri = (text: string, tag = 'F', stream = 'stdout'): string =>
  `${new Date().toISOString()} ${stream} ${tag} ${text}\n`;

t.test('container logs: pods come and go, files are rotated, and a restart continues', async (t) => {
  const pods = join(root, 'logs/pods');
  const file = join(pods, 'shop_db-0_11111111-2222-3333-4444-555555555555/db/0.log');
  let running = start('logs');
  t.match(running.collector.notes['container_logs'], { state: 'unavailable', reason: /There is no/ });
  await running.stop();
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, cri('before'));
  running = start('logs');
  t.equal(running.collector.notes['container_logs'], undefined);
  const messages = (where = '1'): unknown[] =>
    running.rows(`SELECT message FROM container_logs WHERE ${where} ORDER BY rowid`).map((r) => r['message']);
  t.strictSame(messages(), ['before']);

  appendFileSync(file, cri('one') + cri('half', 'P', 'stderr'));
  await until('the line', async () => (messages().includes('one') ? true : undefined), 3_000);
  appendFileSync(file, cri(' and half', 'F', 'stderr'));
  await until(
    'the joined line',
    async () => (messages("stream = 'stderr'").includes('half and half') ? true : undefined),
    3_000,
  );

  const other = join(pods, 'shop_web-abc_99999999-2222-3333-4444-555555555555/web');
  mkdirSync(other, { recursive: true });
  writeFileSync(join(other, '3.log'), cri('hello'));
  await until('a pod that came later', async () => (messages("pod = 'web-abc'").length > 0 ? true : undefined), 3_000);
  t.match(running.rows("SELECT * FROM container_logs WHERE pod = 'web-abc'"), [
    { namespace: 'shop', container: 'web', restart: 3, stream: 'stdout', message: 'hello' },
  ]);

  let written = 0;
  const write = (): void => appendFileSync(file, cri(`line ${written++}`));
  for (let i = 0; i < 100; i += 1) {
    write();
  }
  renameSync(file, `${file}.20261121-120000`);
  appendFileSync(`${file}.20261121-120000`, cri(`line ${written++}`));
  for (let i = 0; i < 100; i += 1) {
    write();
  }
  await until(
    'all lines',
    async () => (messages("message LIKE 'line %'").length >= written ? true : undefined),
    10_000,
  );

  await running.stop();
  for (let i = 0; i < 50; i += 1) {
    write();
  }
  renameSync(file, `${file}.20261121-130000`);
  for (let i = 0; i < 50; i += 1) {
    write();
  }
  running = start('logs');
  await until(
    'what was written meanwhile',
    async () => (messages("message LIKE 'line %'").length >= written ? true : undefined),
    10_000,
  );
  t.strictSame(
    messages("message LIKE 'line %'"),
    Array.from({ length: written }, (_, i) => `line ${i}`),
    'each line once, in order',
  );

  appendFileSync(join(other, '3.log'), cri('last words'));
  rmSync(join(other, '..'), { recursive: true });
  await until(
    'what was said at the end',
    async () => (messages("pod = 'web-abc'").includes('last words') ? true : undefined),
    3_000,
  );
  await running.stop();
});

t.test('a log that may not be read is a reason, not an error', async (t) => {
  const folder = join(root, 'denied/pods/a_b_11111111-2222-3333-4444-555555555555/c');
  mkdirSync(folder, { recursive: true });
  mkdirSync(join(folder, '0.log'));
  const running = start('denied');
  t.match(running.collector.notes['container_logs'], { state: 'unavailable', reason: /cannot be read/ });
  await running.stop();
});

t.test('a flood of logs stays within its limits, of the file and of what it costs', async (t) => {
  const file = join(root, 'flood/pods/a_b_11111111-2222-3333-4444-555555555555/c/0.log');
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, '');
  const running = start('flood', { TERRARIUM_COLLECTOR: '{"sampleSeconds":1,"fileMib":4,"logs":{"mib":2}}' });
  const chunk = cri('x'.repeat(200)).repeat(20_000);
  const cpu = process.cpuUsage();
  for (let i = 0; i < 8; i += 1) {
    appendFileSync(file, chunk);
    await sleep(1_000);
    const { size } = statSync(running.collector.file ?? '');
    if (size > 4 * 1024 * 1024) {
      t.fail(`${size} bytes`);
    }
  }
  const used = process.cpuUsage(cpu);
  t.match(
    running.rows("SELECT count(*) > 0 AS some FROM container_logs WHERE stream = 'skipped'"),
    [{ some: 1 }],
    'and says what it left out',
  );
  t.ok((used.user + used.system) / 8_000_000 < 0.25, `${(used.user + used.system) / 80_000} % of a core`);
  await running.stop();
});

t.test('while the database cannot be written, logs wait in their files', async (t) => {
  const file = join(root, 'locked/pods/a_b_11111111-2222-3333-4444-555555555555/c/0.log');
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, cri('one'));
  const running = start('locked');
  const other = new Database(running.collector.file ?? '', { nativeBinding: addonPath(), timeout: 100 });
  other.exec('BEGIN IMMEDIATE');
  appendFileSync(file, cri('two'));
  await until(
    'a sentence in the log',
    async () => (running.log.some((l) => /cannot be written: database is locked/.test(l)) ? true : undefined),
    20_000,
  );
  appendFileSync(file, cri('three'));
  other.exec('ROLLBACK');
  other.close();
  const messages = (): unknown[] =>
    running.rows('SELECT message FROM container_logs ORDER BY rowid').map((r) => r['message']);
  await until('all lines', async () => (messages().length >= 3 ? true : undefined), 10_000);
  t.strictSame(messages(), ['one', 'two', 'three']);
  t.equal(running.log.filter((l) => /cannot be written/.test(l)).length, 1, 'said once');
  t.match(running.log.at(-1), /can be written again/);
  await running.stop();
});

t.test('a file that is damaged while it is in use is begun anew', async (t) => {
  const file = join(root, 'damage/pods/a_b_11111111-2222-3333-4444-555555555555/c/0.log');
  mkdirSync(join(file, '..'), { recursive: true });
  const running = start('damage', { TERRARIUM_COLLECTOR: '{"sampleSeconds":1,"logs":{"mib":0.5},"fileMib":8}' });
  let ended = 0;
  running.collector.onOvertaken(() => {
    ended += 1;
  });
  const database = running.collector.file ?? '';
  // Old rows are looked for after so many new ones, too.
  const flood = (): void => appendFileSync(file, cri('x'.repeat(40)).repeat(1_500));
  for (let i = 0; i < 10; i += 1) {
    flood();
    await sleep(1_100);
  }
  const { ino } = statSync(database);
  writeFileSync(database, Buffer.alloc(statSync(database).size, 0x5a), { flag: 'r+' });
  await until(
    'a new file',
    async () => {
      flood();
      await sleep(1_000);
      return statSync(database).ino !== ino ? true : undefined;
    },
    100_000,
  );
  t.equal(ended, 1, 'and who read the old one is to be ended');
  t.match(running.log.join(), /cannot be written: .*(malformed|not a database)/);
  const reader = openReader(running.collector);
  await until(
    'new rows',
    async () =>
      Number((reader.prepare('SELECT count(*) AS n FROM cpu_history').get() as { n: number }).n) > 0 ? true : undefined,
    10_000,
  );
  reader.close();
  t.match(running.log.at(-1), /can be written again/);
  await running.stop();
});

t.test('statements read while it writes, and those that hold its log for too long are to be ended', async (t) => {
  const logs = Array.from({ length: 8 }, (_, i) =>
    join(root, `wal/pods/a_b_11111111-2222-3333-4444-555555555555/c${i}/0.log`),
  );
  for (const file of logs) {
    mkdirSync(join(file, '..'), { recursive: true });
  }
  const running = start('wal', { TERRARIUM_COLLECTOR: '{"sampleSeconds":1,"logMib":5}' });
  const env = { ...process.env, NODE_NO_WARNINGS: '1' };
  const main = process.argv[1];
  process.argv[1] = join(import.meta.dirname, '../../src/main.ts');
  t.teardown(() => {
    process.argv[1] = main ?? '';
  });
  const pool = new Pool({
    tables,
    env,
    history: running.collector.file,
    notes: () => running.collector.notes,
    now: Date.now,
  });
  t.teardown(() => pool.close());
  const ask = (sql: string): Promise<unknown[][]> =>
    new Promise((resolve, reject) => {
      const rows: unknown[][] = [];
      pool.run({
        q: 'query0001',
        sat: NODE,
        sql,
        timeoutMs: 5_000,
        maxRows: 1_000,
        maxBytes: 1_000_000,
        credits: 16,
        onBatch: (frame) => rows.push(...(JSON.parse(frame) as { rows: unknown[][] }).rows),
        onEnd: (outcome) => ('end' in outcome ? resolve(rows) : reject(new Error(outcome.error.message))),
      });
    });
  const counted = async (): Promise<[number, number]> =>
    (await ask('select count(*), coalesce(max(unix_ms), 0) from memory_history'))[0] as [number, number];
  const first = await until('a first row', async () => {
    const [n] = await counted();
    return n > 0 ? n : undefined;
  });
  const asked = Date.now();
  await until('a process that has read before to see what came since', async () => {
    const [n, newest] = await counted();
    return n > first && newest > asked ? true : undefined;
  });
  t.strictSame(
    await ask(
      "select count(*) = count(*) filter (where unix_ms > unixepoch('now', '-1 minute') * 1000) from memory_history",
    ),
    [[1]],
  );

  let overtaken = 0;
  running.collector.onOvertaken(() => {
    overtaken += 1;
  });
  const flood = async (): Promise<void> => {
    for (let i = 0; i < 8; i += 1) {
      for (const file of logs) {
        appendFileSync(file, cri('x'.repeat(1_000)).repeat(120));
      }
      await sleep(1_000);
    }
  };
  await flood();
  t.equal(overtaken, 0, 'while nobody reads, the log is short');
  const reader = openReader(running.collector);
  const rows = reader.prepare('SELECT * FROM container_logs').iterate();
  rows.next();
  await flood();
  t.ok(overtaken > 0, 'a reader that takes its time makes it long');
  rows.return?.();
  reader.close();
  const before = overtaken;
  await flood();
  t.ok(overtaken - before <= 2, 'and when it has gone, it is short again');
  await running.stop();
});

t.test('without a place for its database it still says why', async (t) => {
  writeFileSync(join(root, 'file'), '');
  const log: string[] = [];
  const collector = startCollector({
    env: { TERRARIUM_DATA: join(root, 'file') },
    node: NODE,
    tables,
    log: (line) => log.push(line),
  });
  t.equal(collector.file, undefined);
  t.match(log.join(), /cannot be opened/);
  t.match(collector.notes, {
    cpu_history: { state: 'unavailable', reason: /cannot be opened/ },
    pods: { state: 'unavailable' },
  });
  await collector.stop();
});

t.test(
  'pods and events of this node, from a real API server, also while it is away',
  { timeout: 240_000 },
  async (t) => {
    const api: KubeApi = await kubeApi();
    t.teardown(() => api.stop());
    const account = join(root, 'kube/account');
    mkdirSync(account, { recursive: true });
    writeFileSync(join(account, 'ca.crt'), api.authority.cert);
    const manifest = renderManifest(readFileSync('manifests/satellite.yaml', 'utf8'), {
      DATA: '/data',
      IMAGE: 'terrarium',
      SATELLITE_UID: '65532',
    });
    const documents = parseAllDocuments(manifest).map((d) => d.toJS() as KubeObject);
    const accounts = '/api/v1/namespaces/terrarium-system/serviceaccounts';
    await api.client.request('/api/v1/namespaces', {
      method: 'POST',
      body: { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'terrarium-system' } },
    });
    await api.client.request(accounts, {
      method: 'POST',
      body: { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'satellite' } },
    });
    const { status } = await api.client.request<{ status: { token: string } }>(`${accounts}/satellite/token`, {
      method: 'POST',
      body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} },
    });
    writeFileSync(join(account, 'token'), status.token);
    const running = start('kube', {
      TERRARIUM_SERVICE_ACCOUNT: account,
      TERRARIUM_API: `https://127.0.0.1:${api.port}`,
    });
    t.teardown(() => running.stop());

    await until('the refusals', async () =>
      ['pods', 'kubernetes_events'].every((name) => /refuses/.test(running.collector.notes[name]?.reason ?? ''))
        ? true
        : undefined,
    );
    t.match(running.collector.notes['kubernetes_events'], {
      state: 'stale',
      reason: /Kubernetes refuses: events is forbidden/,
    });
    for (const document of documents) {
      await api.client.apply(document);
    }
    await until('the rights that the manifest gives', async () =>
      ['pods', 'kubernetes_events'].every((name) => running.collector.notes[name] === undefined) ? true : undefined,
    );

    const pod = async (name: string, node: string): Promise<string> => {
      const made = await api.client.request<{ metadata: { uid: string } }>('/api/v1/namespaces/default/pods', {
        method: 'POST',
        body: {
          apiVersion: 'v1',
          kind: 'Pod',
          metadata: { name, labels: { app: name } },
          spec: { nodeName: node, containers: [{ name: 'main', image: `${name}:1` }] },
        },
      });
      return made.metadata.uid;
    };
    const event = (name: string, of: Record<string, string>, more: Record<string, unknown> = {}): Promise<unknown> =>
      api.client.request('/api/v1/namespaces/default/events', {
        method: 'POST',
        body: {
          apiVersion: 'v1',
          kind: 'Event',
          metadata: { name },
          involvedObject: { namespace: 'default', ...of },
          type: 'Warning',
          reason: 'BackOff',
          message: `about ${of['name']}`,
          count: 1,
          lastTimestamp: new Date().toISOString().replace(/\.\d+/, ''),
          ...more,
        },
      });
    const mine = await pod('mine', NODE);
    const other = await pod('other', 'n2');
    await event('e1', { kind: 'Pod', name: 'mine', uid: mine });
    await event('e2', { kind: 'Pod', name: 'other', uid: other });
    await until(
      'the event',
      async () => (running.rows('SELECT * FROM kubernetes_events').length > 0 ? true : undefined),
      10_000,
    );
    await until('the pod', async () => (running.rows('SELECT * FROM pods').length > 0 ? true : undefined), 10_000);
    t.match(running.rows('SELECT * FROM pods'), [
      { namespace: 'default', name: 'mine', uid: mine, phase: 'Pending', images: 'mine:1', labels: '{"app":"mine"}' },
    ]);
    t.match(running.rows('SELECT * FROM kubernetes_events'), [
      { type: 'Warning', reason: 'BackOff', kind: 'Pod', name: 'mine', count: 1, message: 'about mine' },
    ]);
    await api.client.request('/api/v1/namespaces/default/events/e1', {
      method: 'PATCH',
      contentType: 'application/merge-patch+json',
      body: { count: 2, lastTimestamp: new Date(Date.now() + 1_000).toISOString().replace(/\.\d+/, '') },
    });
    await until(
      'its second occurrence',
      async () => (running.rows('SELECT * FROM kubernetes_events').length === 2 ? true : undefined),
      10_000,
    );

    await running.stop();
    const again = start('kube', { TERRARIUM_SERVICE_ACCOUNT: account, TERRARIUM_API: `https://127.0.0.1:${api.port}` });
    t.teardown(() => again.stop());
    await event('e3', { kind: 'Pod', name: 'mine', uid: mine });
    await until(
      'a new event after a restart',
      async () =>
        again.rows("SELECT * FROM kubernetes_events WHERE reason = 'BackOff'").length >= 3 ? true : undefined,
      10_000,
    );
    t.strictSame(
      again.rows('SELECT count FROM kubernetes_events ORDER BY rowid').map((r) => r['count']),
      [1, 2, 1],
      'those that were stored are not stored again',
    );

    await api.client.delete({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'other', namespace: 'default' } });
    await api.stop();
    await until(
      'the loss of the API',
      async () => (again.collector.notes['pods']?.state === 'stale' ? true : undefined),
      30_000,
    );
    t.match(again.collector.notes['pods']?.reason, /cannot be reached|broke off/);
    t.match(again.rows('SELECT name FROM pods'), [{ name: 'mine' }], 'what was known last is there');
    const samples = again.rows('SELECT count(*) AS n FROM cpu_history')[0]?.['n'];
    await until('the rest to go on', () =>
      again.rows('SELECT count(*) AS n FROM cpu_history')[0]?.['n'] === samples ? undefined : true,
    );
    await again.stop();
  },
);
