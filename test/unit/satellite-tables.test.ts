import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { Sandbox } from '../../src/satellite/sql/sandbox.ts';
import { loadTables, sourcesFrom, type Row, type Table } from '../../src/satellite/table.ts';

const tables = new Map<string, Table>();

function rows(name: string): Row[] {
  const table = tables.get(name);
  return table?.kind === 'live'
    ? [...table.rows(sourcesFrom({}, [...tables.values()], { pods: { state: 'stale', reason: 'test' } }))]
    : [];
}

t.before(async () => {
  for (const table of await loadTables()) {
    tables.set(table.name, table);
  }
});

t.test('every table gives exactly its columns, of their types', async (t) => {
  t.strictSame(
    [...tables.keys()],
    [
      'columns',
      'container_logs',
      'cpu',
      'cpu_history',
      'disk_history',
      'disks',
      'interface_history',
      'interfaces',
      'kubernetes_events',
      'memory',
      'memory_history',
      'pods',
      'process_events',
      'processes',
      'sockets',
      'system',
      'tables',
    ],
  );
  for (const [name, table] of tables) {
    if (table.kind !== 'live') {
      continue;
    }
    const found = rows(name);
    t.ok(found.length > 0, `${name} has rows`);
    const types = new Map(table.columns.map((c) => [c.name, c.type]));
    t.match(name, /^[a-z_]+$/);
    for (const row of found) {
      const wrong = Object.entries(row).filter(([key, value]) => {
        if (value === null) {
          return !types.has(key);
        }
        if (types.get(key) === 'text') {
          return typeof value !== 'string';
        }
        return types.get(key) === 'integer' ? !Number.isSafeInteger(value) : typeof value !== 'number';
      });
      if (wrong.length > 0 || Object.keys(row).length !== types.size) {
        t.fail(`${name}: ${JSON.stringify(row)}`);
      }
    }
  }
});

t.test('every table and column is described, and named once', async (t) => {
  for (const [name, table] of tables) {
    t.equal(name, table.name);
    t.match(name, /^[a-z_]+$/);
    t.ok(
      table.description.length > 5 &&
        table.columns.every((c) => c.description.length > 3 && /^[a-z][a-z0-9_]*$/.test(c.name)),
      name,
    );
    t.equal(new Set(table.columns.map((c) => c.name)).size, table.columns.length, name);
    if (table.kind === 'history') {
      t.strictSame([table.columns[0]?.name, table.columns.at(-1)?.name], ['time', 'unix_ms'], name);
    }
  }
});

t.test('tables and columns describe them all, and say what is not up to date', async (t) => {
  t.strictSame(
    rows('tables').map((r) => r['name']),
    [...tables.keys()],
  );
  t.match(
    rows('tables').find((r) => r['name'] === 'pods'),
    { kind: 'state', state: 'stale', reason: 'test' },
  );
  t.match(
    rows('tables').find((r) => r['name'] === 'cpu'),
    { kind: 'live', state: 'ok', reason: null },
  );
  t.equal(
    rows('columns').length,
    [...tables.values()].reduce((sum, x) => sum + x.columns.length, 0),
  );
  t.match(
    rows('columns').find((r) => r['table_name'] === 'sockets'),
    { position: 1, name: 'protocol', type: 'text' },
  );
});

t.test('processes: this very process', async (t) => {
  const row = rows('processes').find((r) => r['pid'] === process.pid);
  t.match(row, { ppid: process.ppid, uid: process.getuid?.() });
  t.match(row?.['cmdline'], /satellite-tables\.test\.ts/);
  const age = (Date.now() - Date.parse(String(row?.['started_at']))) / 1000;
  t.ok(Math.abs(age - process.uptime()) < 3, `started ${age} s ago, by its own account ${process.uptime()} s`);
  const rss = process.memoryUsage().rss;
  t.ok(Math.abs(Number(row?.['rss_bytes']) - rss) < 0.3 * rss);
});

t.test('processes: a name with spaces and parentheses', async (t) => {
  process.title = 'a) S (b';
  const row = rows('processes').find((r) => r['pid'] === process.pid);
  t.equal(row?.['name'], readFileSync('/proc/self/comm', 'utf8').trim());
  t.equal(row?.['ppid'], process.ppid, 'the fields behind it are still right');
});

t.test('processes: one with megabytes of arguments takes no place from the others', async (t) => {
  const proc = t.testdir();
  const table = tables.get('processes');
  if (table?.kind !== 'live') {
    throw new Error('no live table');
  }
  writeFileSync(join(proc, 'stat'), 'btime 1700000000\n');
  for (const [pid, cmdline] of [
    ['1', 'init\0--now\0'],
    ['2', `cc\0${'-Dx=\u{1f600}\0'.repeat(512 * 1024)}`],
  ] as const) {
    mkdirSync(join(proc, pid));
    writeFileSync(join(proc, pid, 'stat'), readFileSync('/proc/self/stat'));
    writeFileSync(join(proc, pid, 'status'), readFileSync('/proc/self/status'));
    writeFileSync(join(proc, pid, 'cmdline'), cmdline);
  }
  const sandbox = new Sandbox([...tables.values()], undefined);
  const found = sandbox
    .prepare('select pid, length(cmdline), substr(cmdline, 1, 10) from processes order by pid', ({ rows: own }) =>
      own(sourcesFrom({ TERRARIUM_PROC: proc }, [...tables.values()])),
    )
    .all() as unknown as [bigint, bigint, string][];
  t.same(
    found.map(([pid, , begins]) => [pid, begins]),
    [
      [1n, 'init --now'],
      [2n, 'cc -Dx=\u{1f600} -'],
    ],
  );
  t.ok((found[1]?.[1] ?? 0n) > 20_000n && (found[1]?.[1] ?? 0n) <= 32_768n, String(found[1]?.[1]));
});

t.test('a table that cannot be gathered fails its own statement, and not those after it', async (t) => {
  const sandbox = new Sandbox([...tables.values()], undefined);
  const row = (pid: number, cmdline = ''): Row => ({
    pid,
    ppid: 0,
    name: 'x',
    cmdline,
    state: 'S',
    uid: 0,
    user_time_ms: 0,
    system_time_ms: 0,
    rss_bytes: 0,
    threads: 1,
    started_at: null,
  });
  const pids = (): unknown => sandbox.prepare('select pid from processes', () => [row(1), row(2)]).all();
  function* broken(): Generator<Row> {
    yield row(1);
    throw new Error('gone');
  }
  for (const [rows, message] of [
    [broken, /gone/],
    [() => [row(1), row(2, 'x'.repeat(2 * 1024 * 1024))], /too big/],
  ] as const) {
    t.throws(() => sandbox.prepare('select pid from processes', rows), { message });
    sandbox.clear();
    t.same(pids(), [[1n], [2n]]);
    sandbox.clear();
  }
});

t.test('memory, cpu, system agree with the kernel', async (t) => {
  const [memory] = rows('memory');
  t.equal(memory?.['total_bytes'], Number(/MemTotal:\s+(\d+)/.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]) * 1024);
  t.equal(rows('cpu').length, rows('system')[0]?.['cpus']);
  t.match(rows('system')[0], {
    hostname: hostname(),
    kernel: execFileSync('uname', ['-r'], { encoding: 'utf8' }).trim(),
  });
});

t.test('disks: the root file system as df sees it', async (t) => {
  const root = rows('disks').findLast((r) => r['mount_point'] === '/');
  const [size] = execFileSync('df', ['-B1', '--output=size', '/'], { encoding: 'utf8' }).match(/\d+$/m) ?? [];
  t.equal(root?.['size_bytes'], Number(size));
});

t.test('interfaces: loopback', async (t) => {
  const lo = rows('interfaces').find((r) => r['name'] === 'lo');
  t.equal(lo?.['mtu'], Number(readFileSync('/sys/class/net/lo/mtu', 'utf8')));
  t.match(lo?.['addresses'], /127\.0\.0\.1\/8/);
});
