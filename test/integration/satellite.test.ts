import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/transport-node';
import t from 'tap';
import { connectBus } from '../../src/bus/connect.ts';
import { decode, heartbeatSchema, type Frame, type Heartbeat } from '../../src/bus/frames.ts';
import type { BusServer } from '../../src/bus/server.ts';
import { subjects } from '../../src/bus/subjects.ts';
import { busFiles, freePorts, type BusFiles } from '../support/bus-files.ts';
import { childrenOf } from '../support/memory.ts';
import { standaloneBusServer } from './support/bus-server.ts';
import { ENDLESS, hostileTests } from './support/satellite/hostile.ts';
import { asleep, busy } from './support/satellite/processor.ts';
import { askOn, type AskOptions, type Asked } from './support/satellite/reader.ts';

let files: BusFiles;
let servers: BusServer[];
let ports: number[];
let satellite: ChildProcess;
let cloud: NatsConnection;
let log = '';
const heartbeats: Heartbeat[] = [];
/** When each came. */
const beats: number[] = [];

async function until<T>(what: string, ms: number, look: () => T | undefined | false): Promise<T> {
  const end = Date.now() + Math.max(ms, 45_000);
  for (;;) {
    const value = look();
    if (value !== undefined && value !== false) {
      return value;
    }
    if (Date.now() > end) {
      throw new Error(`${what} did not happen; satellite said:\n${log}`);
    }
    await sleep(20);
  }
}

const ask = (q: string, sql: string, options?: AskOptions): Asked => askOn(cloud, q, sql, options);
const children = (): number[] => childrenOf(satellite.pid ?? -1);

function busServer(index: number): BusServer {
  return standaloneBusServer(files, {
    port: ports[index] ?? 0,
    websocketPort: ports[index + 2] ?? 0,
    satellites: ['n1'],
    state: `state${index}`,
  });
}

t.before(async () => {
  files = await busFiles([
    { name: 'n1', address: '127.0.0.1' },
    { name: 'n2', address: '127.0.0.2' },
  ]);
  ports = await freePorts(4);
  servers = [busServer(0), busServer(1)];
  await servers[0]?.start();
  satellite = spawn(process.execPath, ['src/main.ts', 'satellite'], {
    env: {
      PATH: process.env['PATH'],
      NODE_NO_WARNINGS: '1',
      TERRARIUM_NODE: 'n1',
      TERRARIUM_DATA: files.data('n1'),
      TERRARIUM_CLOUDS: ports.map((p) => `127.0.0.1:${p}`).join(),
      TERRARIUM_POD_LOGS: join(files.root, 'pod-logs'),
      TERRARIUM_COLLECTOR: '{"sampleSeconds":1}',
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  satellite.stderr?.on('data', (chunk: Buffer) => {
    log += chunk.toString();
  });
  cloud = await connectBus({ servers: [`127.0.0.1:${ports[0]}`], tls: files.cloudTls('n1'), name: 'test' });
  cloud.subscribe(subjects.allHeartbeats, {
    callback: (_, msg) => {
      const beat = decode(heartbeatSchema, msg.string());
      if (beat === undefined) {
        return;
      }
      heartbeats.push(beat);
      beats.push(Date.now());
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

/** Waits for one more heartbeat. @returns the longest time without one since `from`, ms */
async function greatestGap(from: number): Promise<number> {
  const asked = Date.now();
  await until('one more heartbeat', 45_000, () => (beats.at(-1) ?? 0) > asked);
  const at = [from, ...beats.filter((b) => b > from)];
  return Math.max(...at.slice(1).map((b, n) => b - (at[n] ?? b)));
}

t.test('it beats, with its tables and their columns', async (t) => {
  const beat = await until('a heartbeat', 20_000, () => heartbeats[0]);
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
  t.match(
    answer.frames.find((f) => !('alive' in f)),
    { seq: 0, columns: ['pid', 'cmdline'] },
  );
});

t.test('a statement may name its own subqueries, and count them', async (t) => {
  t.strictSame((await ask('subquery01', 'with x as (select 1 union all select 2) select count(*) from x').done).rows, [
    [2],
  ]);
  t.strictSame(
    (await ask('subquery02', 'select count(*) from (select 1 y union select 2), (select 3 union select 4) b').done)
      .rows,
    [[4]],
  );
  t.strictSame((await ask('subquery03', 'select count(*) > 0 from processes, system').done).rows, [[1]]);
});

t.test('an empty result still names its columns', async (t) => {
  const answer = await ask('empty00001', 'select pid from processes where 0').done;
  t.match(
    answer.frames.find((f) => !('alive' in f)),
    { seq: 0, columns: ['pid'], rows: [] },
  );
  t.match(answer.last, { end: { rows: 0 } });
});

const SERIES =
  'with recursive c(x) as (select 1 union all select x + 1 from c where x < 5000) select x, hex(zeroblob(100)) from c';

t.test('without credit it stops stepping, and goes on with credit', async (t) => {
  const asked = ask('credits001', SERIES, { credits: 2, manual: true, timeoutMs: 1_000 });
  const batches = (): Frame[] => asked.frames.filter((f) => 'rows' in f);
  await until('the second batch', 5_000, () => batches().length === 2);
  await sleep(400);
  await until('the start of the spare child', 5_000, () => asleep(children()));
  // Hundredths of a second of all children together, in user and system mode.
  const cpu = (): number =>
    children()
      .flatMap((pid) => readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ').slice(13, 15))
      .reduce((sum, ticks) => sum + Number(ticks), 0);
  const before = cpu();
  await sleep(1_500);
  t.equal(batches().length, 2, 'nothing comes without credit');
  // One that stepped on would take 150; an idle Node looks around now and then.
  t.ok(cpu() - before < 20, `and no child runs: ${cpu() - before}`);
  t.ok(asked.frames.filter((f) => 'alive' in f).length >= 2, 'it says that it is alive meanwhile');
  asked.grant(1);
  await until('the third batch', 1_000, () => batches().length === 3);
  asked.grant(100);
  const answer = await asked.done;
  t.match(answer.last, { end: { rows: 5_000 } }, 'waiting for credit does not count against the deadline');
  t.strictSame(
    answer.rows.map((r) => r[0]),
    Array.from({ length: 5_000 }, (_, i) => i + 1),
  );
  t.strictSame(
    answer.frames.flatMap((f) => ('seq' in f ? [f.seq] : [])),
    batches()
      .concat(answer.last)
      .map((_, i) => i),
    'no gap in the sequence',
  );
});

t.test('rows and bytes are limited, and the end says so', async (t) => {
  t.match((await ask('rowlimit01', SERIES, { maxRows: 1_234 }).done).last, { end: { rows: 1_234, truncated: 'rows' } });
  const bytes = await ask('bytelimit1', SERIES, { maxBytes: 100_000 }).done;
  t.match(bytes.last, { end: { truncated: 'bytes' } });
  t.ok(bytes.rows.length > 400 && bytes.rows.length < 600, `${bytes.rows.length} rows`);
});

t.test('a child takes statement after statement', async (t) => {
  await ask('reuse00001', 'select 1').done;
  const before = children();
  t.ok(before.length === 1 || before.length === 2, `${before.length} children`);
  for (let i = 0; i < 20; i += 1) {
    t.strictSame((await ask(`reuse0001${i}`, `select ${i}, count(*) > 0 from processes`).done).rows, [[i, 1]]);
  }
  const after = children();
  t.ok(
    after.length <= 2 && before.every((pid) => after.includes(pid)),
    `${before.join()} are there yet, and a spare one at most: ${after.join()}`,
  );
});

t.test('a value of one megabyte arrives whole', async (t) => {
  const text = await ask('megabyte01', "select replace(hex(zeroblob(500000)), '0', 'x')").done;
  t.match(text.last, { end: { rows: 1 } });
  t.equal(text.rows[0]?.[0], 'x'.repeat(1_000_000));
});

t.test('cancel ends the process at once', async (t) => {
  const asked = ask('cancel0001', `${ENDLESS} select max(x) from c`, { timeoutMs: 60_000 });
  const pid = await until('a child that works', 5_000, () => busy(children()));
  asked.cancel();
  await until('the end of the child', 1_000, () => !existsSync(`/proc/${pid}`));
  t.strictSame(
    asked.frames.filter((f) => 'error' in f || 'end' in f),
    [],
    'and nobody is told: the reader has gone',
  );
});

hostileTests(t, { ask, greatestGap, stolen: () => `${files.root}/stolen` });

t.test('a fifth statement waits for one of four to end, and is refused after 5 s', async (t) => {
  const running = [1, 2, 3, 4].map((i) =>
    ask(`busy00000${i}`, `${ENDLESS} select max(x) from c`, { timeoutMs: 60_000 }),
  );
  await until('four children', 10_000, () => children().length === 4);
  const started = Date.now();
  t.match((await ask('busy000005', 'select 1').done).last, { error: { code: 'query.busy' } });
  const waited = Date.now() - started;
  t.ok(waited >= 4_900, `${waited} ms`);
  const sixth = ask('busy000006', 'select 6');
  await sleep(500);
  running[0]?.cancel();
  t.strictSame((await sixth.done).rows, [[6]]);
  for (const r of running) {
    r.cancel();
  }
  await until('no more than two children', 2_000, () => children().length <= 2);
});

t.test(
  'it runs statements as nobody, who may not read its database, and still knows whose sockets there are',
  async (t) => {
    t.equal(process.getuid?.(), 0, 'this test is about root');
    // Those of before may still be ending.
    await until('one process', 45_000, () => children().length === 1);
    for (const pid of children()) {
      t.match(readFileSync(`/proc/${pid}/status`, 'utf8'), /^Uid:\t65534\t65534\t65534\t65534$/m);
    }
    const answer = await ask(
      'sockets001',
      `select pid, state, local_address from sockets where local_port = ${ports[0]} and state = 'LISTEN'`,
    ).done;
    t.match(answer.rows, [[Number, 'LISTEN', '127.0.0.1']]);
  },
);

t.test('history grows, and what cannot be collected says why', async (t) => {
  const count = async (q: string): Promise<number> =>
    Number((await ask(q, 'select count(*) from cpu_history').done).rows[0]?.[0]);
  const before = await count('history001');
  t.ok(before >= 2);
  let last = before;
  for (let n = 0; last === before && n < 45; n += 1) {
    await sleep(1_000);
    last = await count(`history${200 + n}`);
  }
  t.ok(last > before);
  t.match(
    (
      await ask('history003', "select state, reason from tables where name in ('pods', 'container_logs') order by name")
        .done
    ).rows,
    [
      ['unavailable', /There is no .*pod-logs here/],
      ['unavailable', /does not run in a pod/],
    ],
  );
  t.match(
    (await ask('history004', 'select * from pods').done).last,
    { end: { rows: 0 } },
    'an empty table is no error',
  );
});

t.test('when its cloud dies it goes to another, and beats there at once', async (t) => {
  await servers[1]?.start();
  const other = await connectBus({ servers: [`127.0.0.1:${ports[1]}`], tls: files.cloudTls('n1'), name: 'test' });
  const beats: Heartbeat[] = [];
  other.subscribe(subjects.allHeartbeats, {
    callback: (_, msg) => void beats.push(decode(heartbeatSchema, msg.string()) as Heartbeat),
  });
  await other.flush();
  await servers[0]?.stop();
  t.equal((await until('a heartbeat at the other', 10_000, () => beats[0])).id, 'n1');
  await other.close();
  await servers[0]?.start();
});

t.test('a satellite that the bus does not know yet waits until it does; it needs no root', async (t) => {
  const env = {
    PATH: process.env['PATH'],
    NODE_NO_WARNINGS: '1',
    TERRARIUM_NODE: 'n2',
    TERRARIUM_DATA: files.data('n2'),
    TERRARIUM_CLOUDS: `127.0.0.1:${ports[1]}`,
  };
  chmodSync(files.root, 0o755);
  execFileSync('chown', ['-R', '65533:65533', files.data('n2')]);
  const early = spawn(process.execPath, ['src/main.ts', 'satellite'], { env, stdio: 'ignore', uid: 65533, gid: 65533 });
  const other = await connectBus({ servers: [`127.0.0.1:${ports[1]}`], tls: files.cloudTls('n1'), name: 'test' });
  const ids = new Set<string>();
  other.subscribe(subjects.allHeartbeats, {
    callback: (_, msg) => void ids.add(decode(heartbeatSchema, msg.string())?.id ?? ''),
  });
  await sleep(4_000);
  t.equal(ids.has('n2'), false);
  t.equal(early.exitCode, null, 'it goes on trying');
  const topology = servers[1]?.topology;
  if (topology !== undefined) {
    await servers[1]?.apply({ ...topology, satellites: ['n1', 'n2'] });
  }
  await until('its heartbeat', 10_000, () => ids.has('n2'));
  const askThere = (q: string, sql: string): Asked => askOn(other, q, sql, { sat: 'n2' });
  t.strictSame((await askThere('nobody0001', 'select uid, count(*) from processes where pid = 1').done).rows, [[0, 1]]);
  t.match(
    (
      await askThere(
        'nobody0002',
        `select state, uid, pid from sockets where local_port = ${ports[1]} and state = 'LISTEN'`,
      ).done
    ).rows,
    [['LISTEN', 0, null]],
    "a socket of root's is seen, but not which process it is",
  );
  t.match(
    (await askThere('nobody0003', `select pid from sockets where remote_port = ${ports[1]} and uid = 65533`).done).rows,
    [[early.pid]],
    'its own is',
  );
  t.strictSame((await askThere('nobody0004', 'select count(*) > 0 from memory_history').done).rows, [[1]]);
  early.kill();
  await once(early, 'exit');
  await other.close();
});

t.end();
