import { execFileSync } from 'node:child_process';
import { hostname } from 'node:os';
import { readFileSync } from 'node:fs';
import t from 'tap';
import { loadTables, type Row, type Table } from '../../src/satellite/table.ts';

const sources = { proc: '/proc', sys: '/sys', root: '' };
const tables = new Map<string, Table>();

function rows(name: string): Row[] {
  return [...(tables.get(name)?.rows(sources) ?? [])];
}

t.before(async () => {
  for (const table of await loadTables()) tables.set(table.name, table);
});

t.test('every table gives exactly its columns, of their types', async (t) => {
  t.strictSame([...tables.keys()], ['cpu', 'disks', 'interfaces', 'memory', 'processes', 'system']);
  for (const [name, table] of tables) {
    const found = rows(name);
    t.ok(found.length > 0, `${name} has rows`);
    const types = new Map(table.columns.map((c) => [c.name, c.type]));
    t.match(name, /^[a-z_]+$/);
    for (const row of found) {
      const wrong = Object.entries(row).filter(([key, value]) => {
        if (value === null) return !types.has(key);
        if (types.get(key) === 'text') return typeof value !== 'string';
        return types.get(key) === 'integer' ? !Number.isSafeInteger(value) : typeof value !== 'number';
      });
      if (wrong.length > 0 || Object.keys(row).length !== types.size) t.fail(`${name}: ${JSON.stringify(row)}`);
    }
  }
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

t.test('memory, cpu, system agree with the kernel', async (t) => {
  const [memory] = rows('memory');
  t.equal(memory?.['total_bytes'], Number(/MemTotal:\s+(\d+)/.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]) * 1024);
  t.equal(rows('cpu').length, rows('system')[0]?.['cpus']);
  t.match(rows('system')[0], { hostname: hostname(), kernel: execFileSync('uname', ['-r'], { encoding: 'utf8' }).trim() });
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
