import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/transport-node';
import t from 'tap';
import { connectBus } from '../../src/bus/connect.ts';
import {
  CREDITS,
  HEARTBEAT_MS,
  batchFrameSchema,
  decode,
  encode,
  frameSchema,
  heartbeatSchema,
  type Frame,
  type Heartbeat,
  type QueryRequest,
  type Value,
} from '../../src/bus/frames.ts';
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

function busServer(index: number): BusServer {
  return new BusServer({
    settings: {
      node: 'n1',
      address: '127.0.0.1',
      port: ports[index] ?? 0,
      clusterPort: 0,
      websocketPort: ports[index + 2] ?? 0,
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
function ask(
  q: string,
  sql: string,
  options: Partial<QueryRequest> & { manual?: boolean; sat?: string; nc?: NatsConnection } = {},
): { frames: Frame[]; done: Promise<Answer>; grant(n: number): void; cancel(): void } {
  const { manual = false, sat = 'n1', nc = cloud, ...rest } = options;
  const frames: Frame[] = [];
  const reply = subjects.reply('n1', q, sat);
  const grant = (credits: number): void => nc.publish(subjects.credit(sat), encode({ q, credits }));
  let ended: (answer: Answer) => void;
  const done = new Promise<Answer>((resolve) => {
    ended = resolve;
  });
  let pieces: string[] = [];
  const sub = nc.subscribe(reply, {
    callback: (_, msg) => {
      let frame = decode(frameSchema, msg.string());
      if (frame !== undefined && 'part' in frame) {
        pieces.push(frame.text);
        if (!manual) {
          grant(1);
        }
        if (pieces.length < frame.of) {
          return;
        }
        frame = decode(batchFrameSchema, pieces.join(''));
        pieces = [];
      } else if (frame !== undefined && 'rows' in frame && !manual) {
        grant(1);
      }
      if (frame === undefined) {
        throw new Error(`not a frame: ${msg.string().slice(0, 200)}`);
      }
      frames.push(frame);
      if ('end' in frame || 'error' in frame) {
        sub.unsubscribe();
        ended({ frames, rows: frames.flatMap((f) => ('rows' in f ? f.rows : [])), last: frame });
      }
    },
  });
  const request: QueryRequest = {
    q,
    sql,
    timeoutMs: 10_000,
    maxRows: 10_000,
    maxBytes: 64 * 1024 * 1024,
    credits: CREDITS,
    ...rest,
  };
  nc.publish(subjects.query(sat), encode(request), { reply });
  return { frames, done, grant, cancel: () => nc.publish(subjects.cancel(sat), encode({ q })) };
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

/** Whether processes have not used the processor for a while. */
function asleep(pids: number[]): boolean {
  const ticks = pids.map((pid) => readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ').slice(13, 15).join()).join(' ');
  const before = lastTicks;
  if (before.ticks !== ticks) {
    lastTicks = { ticks, at: Date.now() };
  }
  return before.ticks === ticks && Date.now() - before.at > 300;
}
let lastTicks = { ticks: '', at: 0 };

const ENDLESS = 'with recursive c(x) as (select 1 union all select x + 1 from c)';

/** The child that has worked for a second, and still does: others only start. */
function busyChild(): number | undefined {
  return children().find((pid) => {
    const [state, ...fields] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return state === 'R' && Number(fields[10]) + Number(fields[11]) > 100;
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
  const pid = await until('a child that works', 5_000, busyChild);
  asked.cancel();
  await until('the end of the child', 1_000, () => !existsSync(`/proc/${pid}`));
  t.strictSame(
    asked.frames.filter((f) => 'error' in f || 'end' in f),
    [],
    'and nobody is told: the reader has gone',
  );
});

t.test('hostile statements are stopped or refused, and a heartbeat is never missed', async (t) => {
  const hostile: [string, string, string][] = [
    ['hostile001', `${ENDLESS} select max(x) from c`, 'query.timeout'],
    ['hostile002', `${ENDLESS} select count(distinct hex(randomblob(5000)) || x) from c`, 'query.memory'],
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
    ['hostile013', 'select * from log_positions', 'query.denied'],
    ['hostile014', 'delete from container_logs', 'query.denied'],
    ['hostile015', "insert into history.pods (name) values ('x')", 'query.denied'],
    ['hostile016', 'detach history', 'query.denied'],
    ['hostile017', 'pragma history.journal_mode = delete', 'query.denied'],
    ['hostile018', 'drop table history.pods', 'query.denied'],
    ['hostile019', 'select 1 from pods where deleted()', 'query.syntax'],
    ['hostile021', "select fts5('x')", 'query.denied'],
    ['hostile022', 'select * from dbstat', 'query.denied'],
    ['hostile023', 'select count(*) from pragma_table_list', 'query.denied'],
    ['hostile024', 'select count(*) from log_positions', 'query.denied'],
    ['hostile025', 'select count(*) from bytecode', 'query.syntax'],
  ];
  const started = Date.now();
  for (const [q, sql, code] of hostile) {
    const { last } = await ask(q, sql, { timeoutMs: code === 'query.timeout' ? 3_000 : 60_000 }).done;
    t.match(last, { error: { code } }, sql.slice(0, 80));
  }
  t.notOk(existsSync(`${files.root}/stolen`));
  const gap = await greatestGap(started);
  t.ok(gap < 2 * HEARTBEAT_MS, `at most ${gap} ms between two heartbeats`);
  t.match((await ask('harmless01', 'select 1').done).last, { end: { rows: 1 } });
});

t.test(
  'eight hostile statements at once: each is stopped or refused within its limits, and a normal one answers after',
  async (t) => {
    const text =
      "(with recursive t(n, s) as (select 1, 'a' union all select n + 1, s || s from t where n < 20) select max(s) " +
      'from t)';
    const hostile: [string, RegExp][] = [
      [`${ENDLESS} select max(x) from c`, /timeout|busy/],
      [`${ENDLESS} select count(distinct hex(randomblob(9000)) || x) from c`, /memory|timeout|busy/],
      ["attach '/etc/shadow' as p", /denied/],
      [`vacuum into '${files.root}/stolen'`, /denied/],
      [
        'with recursive a(x) as (select 1 union all select a.x + b.x from a, (select 1 x union all select 2) b) ' +
          'select count(*) from a',
        /timeout|memory|busy/,
      ],
      ['select zeroblob(2000000000) || zeroblob(2000000000)', /too-large|syntax|busy/],
      [`${ENDLESS} select group_concat(${text} || x) from c`, /too-large|memory|timeout|busy/],
      [
        `select count(*) from (${ENDLESS} select x from c limit 1000) where ${text} glob '${'*a'.repeat(400)}b'`,
        /timeout|syntax|busy/,
      ],
    ];
    const started = Date.now();
    const answers = await Promise.all(hostile.map(([sql], i) => ask(`eight0000${i}`, sql, { timeoutMs: 4_000 }).done));
    for (const [i, { last }] of answers.entries()) {
      t.match('error' in last ? last.error.code : 'end', hostile[i]?.[1] ?? /^$/, hostile[i]?.[0].slice(0, 60) ?? '');
    }
    const took = Date.now() - started;
    t.ok(took < 60_000, `all ended after ${took} ms`);
    const asked = Date.now();
    t.match((await ask('normal0001', 'select count(*) from processes').done).last, { end: { rows: 1 } });
    // 2 s are promised; this is a machine that runs tests.
    t.comment(`a normal one answered after ${Date.now() - asked} ms`);
    const gap = await greatestGap(started);
    t.ok(gap < 2 * HEARTBEAT_MS, `no heartbeat was missed: at most ${gap} ms between two`);
    t.notOk(existsSync(`${files.root}/stolen`));
  },
);

t.test('a statement that was stopped twice for its memory is denied', async (t) => {
  const sql = `${ENDLESS} select count(distinct hex(randomblob(9000)) || x || 'denied') from c`;
  t.match((await ask('memory0001', sql, { timeoutMs: 60_000 }).done).last, { error: { code: 'query.memory' } });
  t.match((await ask('memory0002', sql, { timeoutMs: 60_000 }).done).last, { error: { code: 'query.memory' } });
  t.match((await ask('memory0003', `  ${sql.toUpperCase()}`).done).last, {
    error: { code: 'query.denied', message: /refused here for an hour/ },
  });
});

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
  const own = { sat: 'n2', nc: other };
  t.strictSame((await ask('nobody0001', 'select uid, count(*) from processes where pid = 1', own).done).rows, [[0, 1]]);
  t.match(
    (
      await ask(
        'nobody0002',
        `select state, uid, pid from sockets where local_port = ${ports[1]} and state = 'LISTEN'`,
        own,
      ).done
    ).rows,
    [['LISTEN', 0, null]],
    "a socket of root's is seen, but not which process it is",
  );
  t.match(
    (await ask('nobody0003', `select pid from sockets where remote_port = ${ports[1]} and uid = 65533`, own).done).rows,
    [[early.pid]],
    'its own is',
  );
  t.strictSame((await ask('nobody0004', 'select count(*) > 0 from memory_history', own).done).rows, [[1]]);
  early.kill();
  await once(early, 'exit');
  await other.close();
});

t.end();
