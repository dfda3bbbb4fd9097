import { appendFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import t from 'tap';
import { addonPath } from '../../src/assets.ts';
import { startCollector } from '../../src/satellite/collector/collector.ts';
import { Pool } from '../../src/satellite/sql/pool.ts';
import { loadTables, type Table } from '../../src/satellite/table.ts';
import { until } from '../support/local-cloud.ts';
import { NODE, openReader, runCollector, type RunningCollector } from './support/collector.ts';

let tables: Table[];
let root: string;

t.before(async () => {
  tables = await loadTables();
  root = mkdtempSync(join(tmpdir(), 'terrarium-collector-'));
});
t.after(() => rmSync(root, { recursive: true, force: true }));

const start = (name: string, env: NodeJS.ProcessEnv = {}): RunningCollector => runCollector(root, tables, name, env);

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

/** The rows of a statement. */
function rowsOf(pool: Pool, sql: string): Promise<unknown[][]> {
  return new Promise((resolve, reject) => {
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
}

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
  const ask = (sql: string): Promise<unknown[][]> => rowsOf(pool, sql);
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
