import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/transport-node';
import t from 'tap';
import { connectBus } from '../../src/bus/connect.ts';
import { CREDITS, decode, encode, frameSchema, heartbeatSchema, type Frame, type Heartbeat, type QueryRequest, type Value } from '../../src/bus/frames.ts';
import { BusServer } from '../../src/bus/server.ts';
import { subjects } from '../../src/bus/subjects.ts';
import { NATS_SERVER, busFiles, freePorts, type BusFiles } from '../support/bus-files.ts';

interface Answer {
  frames: Frame[];
  rows: Value[][];
  last: Extract<Frame, { end: unknown } | { error: unknown }>;
}

let files: BusFiles;
let servers: BusServer[];
let ports: number[];
let satellite: ChildProcess;
let cloud: NatsConnection;
let log = '';
const heartbeats: Heartbeat[] = [];

async function until<T>(what: string, ms: number, look: () => T | undefined | false): Promise<T> {
  const end = Date.now() + ms;
  for (;;) {
    const value = look();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > end) throw new Error(`${what} did not happen in ${ms} ms; satellite said:\n${log}`);
    await sleep(20);
  }
}

function busServer(index: number): BusServer {
  return new BusServer({
    settings: {
      node: 'n1',
      address: '127.0.0.1',
      port: ports[index] ?? 0,
      clusterPort: 0,
      clusterId: 'test',
      tlsDir: `${files.data('n1')}/cloud/tls`,
      stateDir: `${files.data('n1')}/cloud/state${index}`,
    },
    binary: NATS_SERVER,
    topology: { servers: [{ name: 'n1', address: '127.0.0.1' }], satellites: ['n1'], jetstream: false },
    log: () => undefined,
  });
}

/** A reader on the bus; `credits` as the cloud would grant them, unless `manual`. */
function ask(q: string, sql: string, options: Partial<QueryRequest> & { manual?: boolean } = {}): { frames: Frame[]; done: Promise<Answer>; grant(n: number): void; cancel(): void } {
  const { manual = false, ...rest } = options;
  const frames: Frame[] = [];
  const reply = subjects.reply('n1', q, 'n1');
  const grant = (credits: number): void => cloud.publish(subjects.credit('n1'), encode({ q, credits }));
  let ended: (answer: Answer) => void;
  const done = new Promise<Answer>((resolve) => {
    ended = resolve;
  });
  const sub = cloud.subscribe(reply, {
    callback: (_, msg) => {
      const frame = decode(frameSchema, msg.string());
      if (frame === undefined) throw new Error(`not a frame: ${msg.string().slice(0, 200)}`);
      frames.push(frame);
      if ('rows' in frame && !manual) grant(1);
      if ('end' in frame || 'error' in frame) {
        sub.unsubscribe();
        ended({ frames, rows: frames.flatMap((f) => ('rows' in f ? f.rows : [])), last: frame });
      }
    },
  });
  const request: QueryRequest = { q, sql, timeoutMs: 10_000, maxRows: 10_000, maxBytes: 64 * 1024 * 1024, credits: CREDITS, ...rest };
  cloud.publish(subjects.query('n1'), encode(request), { reply });
  return { frames, done, grant, cancel: () => cloud.publish(subjects.cancel('n1'), encode({ q })) };
}

/** Process ids of the satellite's children. */
function children(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return new RegExp(`^PPid:\\s+${satellite.pid}$`, 'm').test(readFileSync(`/proc/${pid}/status`, 'utf8'));
      } catch {
        return false;
      }
    });
}

t.before(async () => {
  files = await busFiles([{ name: 'n1', address: '127.0.0.1' }, { name: 'n2', address: '127.0.0.2' }]);
  ports = await freePorts(2);
  servers = [busServer(0), busServer(1)];
  await servers[0]?.start();
  satellite = spawn(process.execPath, ['src/main.ts', 'satellite'], {
    env: { PATH: process.env['PATH'], NODE_NO_WARNINGS: '1', TERRARIUM_NODE: 'n1', TERRARIUM_DATA: files.data('n1'), TERRARIUM_CLOUDS: ports.map((p) => `127.0.0.1:${p}`).join() },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  satellite.stderr?.on('data', (chunk: Buffer) => {
    log += chunk.toString();
  });
  cloud = await connectBus({ servers: [`127.0.0.1:${ports[0]}`], tls: files.cloudTls('n1'), name: 'test' });
  cloud.subscribe(subjects.allHeartbeats, {
    callback: (_, msg) => {
      const beat = decode(heartbeatSchema, msg.string());
      if (beat !== undefined) heartbeats.push(beat);
    },
  });
});

t.after(async () => {
  satellite.kill('SIGTERM');
  await once(satellite, 'exit');
  await cloud.close();
  await Promise.all(servers.map((s) => s.stop()));
  files.remove();
});

t.test('it beats, with its tables and their columns', async (t) => {
  const beat = await until('a heartbeat', 10_000, () => heartbeats[0]);
  t.equal(beat.id, 'n1');
  t.ok(beat.tables.find((x) => x.name === 'processes')?.columns.includes('cmdline'));
  t.equal(beat.load.length, 3);
});

t.test('a query finds a process that was just started', async (t) => {
  const child = spawn('sleep', ['4711']);
  const answer = await ask('processes1', "select pid, cmdline from processes where cmdline = 'sleep 4711'").done;
  child.kill();
  t.strictSame(answer.rows, [[child.pid, 'sleep 4711']]);
  t.ok('alive' in (answer.frames[0] ?? {}), 'it says at once that it is alive');
  t.match(answer.last, { seq: 1, end: { rows: 1 } });
  t.match(answer.frames[1], { seq: 0, columns: ['pid', 'cmdline'] });
});

t.test('an empty result still names its columns', async (t) => {
  const answer = await ask('empty00001', 'select pid from processes where 0').done;
  t.match(answer.frames[1], { seq: 0, columns: ['pid'], rows: [] });
  t.match(answer.last, { end: { rows: 0 } });
});

const SERIES = 'with recursive c(x) as (select 1 union all select x + 1 from c where x < 5000) select x, hex(zeroblob(100)) from c';

t.test('without credit it stops stepping, and goes on with credit', async (t) => {
  const asked = ask('credits001', SERIES, { credits: 2, manual: true, timeoutMs: 1_000 });
  const batches = (): Frame[] => asked.frames.filter((f) => 'rows' in f);
  await until('the second batch', 5_000, () => batches().length === 2);
  const pid = await until('one child', 1_000, () => (children().length === 1 ? children()[0] : undefined));
  const cpu = (): string => readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ').slice(13, 15).join();
  const before = cpu();
  await sleep(1_500);
  t.equal(batches().length, 2, 'nothing comes without credit');
  t.equal(cpu(), before, 'and the child does not run');
  t.ok(asked.frames.filter((f) => 'alive' in f).length >= 2, 'it says that it is alive meanwhile');
  asked.grant(1);
  await until('the third batch', 1_000, () => batches().length === 3);
  asked.grant(100);
  const answer = await asked.done;
  t.match(answer.last, { end: { rows: 5_000 } }, 'waiting for credit does not count against the deadline');
  t.strictSame(answer.rows.map((r) => r[0]), Array.from({ length: 5_000 }, (_, i) => i + 1));
  t.strictSame(answer.frames.flatMap((f) => ('seq' in f ? [f.seq] : [])), batches().concat(answer.last).map((_, i) => i), 'no gap in the sequence');
});

t.test('rows and bytes are limited, and the end says so', async (t) => {
  t.match((await ask('rowlimit01', SERIES, { maxRows: 1_234 }).done).last, { end: { rows: 1_234, truncated: 'rows' } });
  const bytes = await ask('bytelimit1', SERIES, { maxBytes: 100_000 }).done;
  t.match(bytes.last, { end: { truncated: 'bytes' } });
  t.ok(bytes.rows.length > 400 && bytes.rows.length < 600, `${bytes.rows.length} rows`);
});

t.test('cancel ends the process at once', async (t) => {
  const asked = ask('cancel0001', 'with recursive c(x) as (select 1 union all select x + 1 from c) select max(x) from c', { timeoutMs: 60_000 });
  const pid = await until('a child', 5_000, () => children()[0]);
  asked.cancel();
  await until('the end of the child', 1_000, () => !existsSync(`/proc/${pid}`));
  t.strictSame(asked.frames.filter((f) => 'error' in f || 'end' in f), [], 'and nobody is told: the reader has gone');
});

t.test('hostile statements are stopped or refused, and a heartbeat is never missed', async (t) => {
  const before = heartbeats.length;
  const endless = 'with recursive c(x) as (select 1 union all select x + 1 from c)';
  const hostile: [string, string, string][] = [
    ['hostile001', `${endless} select max(x) from c`, 'query.timeout'],
    ['hostile002', `${endless} select count(distinct hex(randomblob(5000)) || x) from c`, 'query.memory'],
    ['hostile003', "attach '/etc/passwd' as p", 'query.denied'],
    ['hostile004', `vacuum into '${files.root}/stolen'`, 'query.denied'],
    ['hostile005', 'pragma temp_store_directory', 'query.denied'],
    ['hostile006', 'create temp table x as select 1', 'query.denied'],
    ['hostile007', "select load_extension('/lib/x.so')", 'query.denied'],
    ['hostile008', 'select length(zeroblob(900000000))', 'query.too-large'],
    ['hostile009', 'select 1; delete from processes', 'query.denied'],
    ['hostile010', 'select * from pragma_database_list', 'query.denied'],
    ['hostile011', 'select * from nowhere', 'query.syntax'],
    ['hostile012', `select ${'('.repeat(3000)}1${')'.repeat(3000)}`, 'query.syntax'],
  ];
  const started = Date.now();
  for (const [q, sql, code] of hostile) {
    const { last } = await ask(q, sql, { timeoutMs: 3_000 }).done;
    t.match(last, { error: { code } }, sql.slice(0, 80));
  }
  t.notOk(existsSync(`${files.root}/stolen`));
  await until('the end of all children', 1_000, () => children().length === 0);
  t.ok(heartbeats.length - before >= Math.floor((Date.now() - started) / 5_000));
  t.match((await ask('harmless01', 'select 1').done).last, { end: { rows: 1 } });
});

t.test('a fifth query at once is refused, not queued', async (t) => {
  const endless = 'with recursive c(x) as (select 1 union all select x + 1 from c) select max(x) from c';
  const running = [1, 2, 3, 4].map((i) => ask(`busy00000${i}`, endless, { timeoutMs: 30_000 }));
  await until('four children', 10_000, () => children().length === 4);
  t.match((await ask('busy000005', 'select 1').done).last, { error: { code: 'query.busy' } });
  for (const r of running) r.cancel();
  await until('the end of all children', 2_000, () => children().length === 0);
});

t.test('when its cloud dies it goes to another, and beats there at once', async (t) => {
  await servers[1]?.start();
  const other = await connectBus({ servers: [`127.0.0.1:${ports[1]}`], tls: files.cloudTls('n1'), name: 'test' });
  const beats: Heartbeat[] = [];
  other.subscribe(subjects.allHeartbeats, { callback: (_, msg) => void beats.push(decode(heartbeatSchema, msg.string()) as Heartbeat) });
  await other.flush();
  await servers[0]?.stop();
  t.equal((await until('a heartbeat at the other', 10_000, () => beats[0])).id, 'n1');
  await other.close();
  await servers[0]?.start();
});

t.test('a satellite that the bus does not know yet waits until it does', async (t) => {
  const env = { PATH: process.env['PATH'], NODE_NO_WARNINGS: '1', TERRARIUM_NODE: 'n2', TERRARIUM_DATA: files.data('n2'), TERRARIUM_CLOUDS: `127.0.0.1:${ports[1]}` };
  const early = spawn(process.execPath, ['src/main.ts', 'satellite'], { env, stdio: 'ignore' });
  const other = await connectBus({ servers: [`127.0.0.1:${ports[1]}`], tls: files.cloudTls('n1'), name: 'test' });
  const ids = new Set<string>();
  other.subscribe(subjects.allHeartbeats, { callback: (_, msg) => void ids.add(decode(heartbeatSchema, msg.string())?.id ?? '') });
  await sleep(4_000);
  t.equal(ids.has('n2'), false);
  t.equal(early.exitCode, null, 'it goes on trying');
  const topology = servers[1]?.topology;
  if (topology !== undefined) await servers[1]?.apply({ ...topology, satellites: ['n1', 'n2'] });
  await until('its heartbeat', 10_000, () => ids.has('n2'));
  early.kill();
  await once(early, 'exit');
  await other.close();
});

t.end();
