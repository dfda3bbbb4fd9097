import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/transport-node';
import t from 'tap';
import { connectBus } from '../../src/bus/connect.ts';
import { decode, encode, frameSchema, type Frame } from '../../src/bus/frames.ts';
import { subjects } from '../../src/bus/subjects.ts';
import { Queries } from '../../src/satellite/queries.ts';
import { MAX_QUEUED, Pool, QUEUE_MS, type Ticket } from '../../src/satellite/sql/pool.ts';
import { loadTables } from '../../src/satellite/table.ts';
import { busFiles, freePorts, type BusFiles } from '../support/bus-files.ts';
import { until } from '../support/local-cloud.ts';
import { standaloneBusServer } from './support/bus-server.ts';

/** The processes that run statements, in this very process's hands, and their queue. */
const main = process.argv[1] ?? '';
const env = { ...process.env, NODE_NO_WARNINGS: '1' };
const IDLE_MS = 6_000;
/** More rows than one credit is good for. */
const MANY = 'with recursive c(x) as (select 1 union all select x + 1 from c where x < 2000) select x from c';
const ENDLESS = 'with recursive c(x) as (select 1 union all select x + 1 from c) select max(x) from c';
let now = 0;
let pool: Pool;
let root: string;

type Ended = { end?: { rows: number }; error?: { code: string; message: string } };

function run(
  sql: string,
  credits = 16,
  timeoutMs = 60_000,
): { ticket: Ticket; done: Promise<Ended>; frames: string[] } {
  const frames: string[] = [];
  let ended: (outcome: Ended) => void;
  const done = new Promise<Ended>((resolve) => {
    ended = resolve;
  });
  const ticket = pool.run({
    q: 'query0001',
    sat: 'n1',
    sql,
    timeoutMs,
    maxRows: 1_000_000,
    maxBytes: 100_000_000,
    credits,
    onBatch: (frame) => frames.push(frame),
    onEnd: (outcome) => ended(outcome),
  });
  return { ticket, done, frames };
}

function children(): number[] {
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .filter((pid) => {
      try {
        return (
          new RegExp(`^PPid:\\s+${process.pid}$`, 'm').test(readFileSync(`/proc/${pid}/status`, 'utf8')) &&
          readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('sql-worker')
        );
      } catch {
        return false;
      }
    })
    .map(Number);
}

t.before(async () => {
  process.argv[1] = join(import.meta.dirname, '../../src/main.ts');
  root = mkdtempSync(join(tmpdir(), 'terrarium-pool-'));
  pool = new Pool({
    tables: await loadTables(),
    env,
    history: undefined,
    notes: () => ({}),
    now: () => now,
    keepMs: 1_000,
  });
});
t.after(() => {
  pool.close();
  process.argv[1] = main;
  rmSync(root, { recursive: true, force: true });
});

t.test('no process before the first statement, none a while after the last', async (t) => {
  t.strictSame(children(), []);
  t.match(await run('select 1').done, { end: { rows: 1 } });
  const first = children();
  t.ok(first.length > 0);
  await sleep(700);
  t.match(await run('select 1').done, { end: { rows: 1 } }, 'which begins the while anew');
  await sleep(700);
  t.ok(children().some((pid) => first.includes(pid)));
  await until('the end of all', () => (children().length === 0 && pool.counts.warm === 0 ? true : undefined), 2_000);
  t.strictSame(pool.counts, { running: 0, queued: 0, warm: 0 });
});

t.test('while all are taken a spare one waits, and four are the most', async (t) => {
  const first = run(ENDLESS);
  await until('a spare process', () => (pool.counts.warm === 1 ? true : undefined), 2_000);
  const more = [run(ENDLESS), run(ENDLESS), run(ENDLESS)];
  // A fifth process, were one started, would be there soon.
  await sleep(800);
  await until('four processes', () => (children().length === 4 ? true : undefined));
  t.strictSame(pool.counts, { running: 4, queued: 0, warm: 0 });
  const waits = run('select 5', 1);
  t.equal(pool.counts.queued, 1);
  first.ticket.stop();
  t.match(await waits.done, { end: { rows: 1 } });
  for (const { ticket } of more) {
    ticket.stop();
  }
});

t.test(
  'who waits too long is refused, and who stops waiting is forgotten; credit given meanwhile counts',
  async (t) => {
    const running = Array.from({ length: 3 }, () => run(ENDLESS));
    const held = run(MANY, 1);
    await until('it to wait for credit', () => (held.frames.length === 1 ? true : undefined));
    const next = run('select 1');
    const stopped = run('select 2');
    const granted = run(MANY, 1);
    granted.ticket.grant(10);
    stopped.ticket.stop();
    t.equal(pool.counts.queued, 2);
    // Its process takes the next one at once: nothing else than this test decides how long they wait.
    held.ticket.grant(10);
    t.match(await held.done, { end: { rows: 2000 } });
    t.match(await next.done, { end: { rows: 1 } }, 'the first in the queue is the first to run');
    t.match(await granted.done, { end: { rows: 2000 } });
    const late = run(ENDLESS);
    const tooLate = run('select 3');
    const from = Date.now();
    t.match(await tooLate.done, { error: { code: 'query.busy', message: /within 5 s/ } });
    t.ok(Date.now() - from > QUEUE_MS - 50);
    for (const { ticket } of [...running, late]) {
      ticket.stop();
    }
    t.equal(pool.counts.running, 0);
  },
);

t.test('a queue has an end', async (t) => {
  const running = Array.from({ length: 4 }, () => run(ENDLESS));
  const waiting = Array.from({ length: MAX_QUEUED }, () => run('select 1'));
  let queued = MAX_QUEUED;
  void Promise.race(waiting.map((w) => w.done)).then(() => (queued -= 1));
  t.match(await run('select 1').done, { error: { code: 'query.busy' } });
  t.equal(queued, MAX_QUEUED, 'at once, and not when its time or that of another is over');
  for (const { ticket } of [...waiting, ...running]) {
    ticket.stop();
  }
  t.strictSame({ ...pool.counts, warm: 0 }, { running: 0, queued: 0, warm: 0 });
});

t.test('a statement that was stopped for its memory twice within an hour is denied for an hour', async (t) => {
  const greedy =
    'with recursive c(x) as (select 1 union all select x + 1 from c) select count(distinct hex(randomblob(9000)) ' +
    '|| x) from c';
  t.match(await run(greedy).done, { error: { code: 'query.memory' } });
  now += 3_700_000;
  t.match(await run(greedy).done, { error: { code: 'query.memory' } }, 'the first time is forgotten');
  now += 60_000;
  t.match(await run(greedy).done, { error: { code: 'query.memory' } });
  t.match(await run(` ${greedy.replaceAll(' ', '  ')}`).done, { error: { code: 'query.denied' } });
  t.match(await run('select 1').done, { end: { rows: 1 } }, 'others are not');
  now += 3_599_000;
  t.match(await run(greedy).done, { error: { code: 'query.denied' } });
  now += 2_000;
  t.match(await run(greedy).done, { error: { code: 'query.memory' } });
});

t.test('what one statement did is not seen by the next', async (t) => {
  const first = run('select count(*) from processes');
  await first.done;
  const second = run(
    'select (select count(*) from processes), (select count(*) from processes p join processes q using (pid))',
  );
  await second.done;
  const [[n = 0, m] = []] = (JSON.parse(second.frames[0] ?? '{}') as { rows: number[][] }).rows;
  t.ok(
    n === m && n < 1.5 * Number((JSON.parse(first.frames[0] ?? '{}') as { rows: number[][] }).rows[0]?.[0]) + 50,
    `${n} and ${m} rows`,
  );
  const cut = run(
    'with recursive c(x) as (select 1 union all select x + 1 from c) select x, y.pid from c, (select pid from ' +
      'processes limit 1) y limit 3000',
    100,
  );
  t.match(await cut.done, { end: { rows: 3000 } });
  t.match(await run("select json('{')").done, { error: { code: 'query.syntax' } });
  t.match(await run('select count(*) from processes').done, { end: { rows: 1 } });
});

t.test('a process that ends by itself is an error of its statement, not of the next one', async (t) => {
  await run('select 1').done;
  const lost = run(ENDLESS);
  await sleep(500);
  for (const pid of children()) {
    process.kill(pid, 'SIGKILL');
  }
  t.match(await lost.done, { error: { code: 'query.internal', message: /ended early \(SIGKILL\)/ } });
  // The spare one was killed, too, and that has to be noticed.
  await until('that to be noticed', () => (pool.counts.warm === 0 ? true : undefined));
  t.match(await run('select 1').done, { end: { rows: 1 } });
});

/** Asks the satellite with one credit. */
function answersOf(
  cloud: NatsConnection,
  q: string,
  sql: string,
  timeoutMs: number,
): { answers: () => Frame[]; credit(credits: number): void } {
  const found: Frame[] = [];
  const reply = subjects.reply('n1', q, 'n1');
  cloud.subscribe(reply, {
    callback: (_, msg) => {
      const frame = decode(frameSchema, msg.string());
      if (frame !== undefined && !('alive' in frame)) {
        found.push(frame);
      }
    },
  });
  cloud.publish(
    subjects.query('n1'),
    encode({ q, sql, timeoutMs, maxRows: 1_000_000, maxBytes: 100_000_000, credits: 1 }),
    { reply },
  );
  return { answers: () => found, credit: (credits) => cloud.publish(subjects.credit('n1'), encode({ q, credits })) };
}

t.test('a reader that takes nothing for long is left alone; each credit begins the while anew', async (t) => {
  const files: BusFiles = await busFiles([{ name: 'n1', address: '127.0.0.1' }]);
  const [port = 0, websocketPort = 0] = await freePorts(2);
  const server = standaloneBusServer(files, { port, websocketPort, satellites: ['n1'] });
  await server.start();
  const connect = (tls: Parameters<typeof connectBus>[0]['tls']): Promise<NatsConnection> =>
    connectBus({ servers: [`127.0.0.1:${port}`], tls, name: 'test' });
  const satellite = await connect(files.satelliteTls('n1'));
  const cloud = await connect(files.cloudTls('n1'));
  const queries = new Queries({ nc: satellite, sat: 'n1', pool, log: () => undefined, idleMs: IDLE_MS });
  await satellite.flush();
  const sql = 'with recursive c(x) as (select 1 union all select x + 1 from c) select x from c';
  const idle = answersOf(cloud, 'idle00001', sql, 60_000);
  for (let i = 1; i <= 4; i += 1) {
    await until(`batch ${i}`, () => (idle.answers().length === i ? true : undefined), 3_000);
    // Together longer than it may idle, each far shorter.
    await sleep(IDLE_MS * 0.3);
    idle.credit(1);
  }
  await until('the fifth batch', () => (idle.answers().length === 5 ? true : undefined), 3_000);
  const from = Date.now();
  await until('its end', () => (idle.answers().length === 6 ? true : undefined), 3_000);
  t.match(idle.answers()[5], {
    seq: 5,
    error: { code: 'query.idle-reader', message: 'The reader took nothing for 6 s.' },
  });
  t.ok(Date.now() - from > IDLE_MS * 0.8);
  t.equal(queries.count, 0);

  const waits = answersOf(cloud, 'idle00002', sql, 20_000);
  await until('the first batch', () => (waits.answers().length === 1 ? true : undefined), 3_000);
  for (let i = 0; i < 4; i += 1) {
    await sleep(IDLE_MS * 0.3);
    waits.credit(0);
  }
  t.equal(waits.answers().length, 1, 'no credit, no batch; but a reader, so no end');
  waits.credit(1);
  await until('the second batch', () => (waits.answers().length === 2 ? true : undefined), 3_000);
  await until('its end without a reader', () => (waits.answers().length === 3 ? true : undefined), 3_000);
  t.match(waits.answers()[2], { error: { code: 'query.idle-reader' } });

  const large = answersOf(
    cloud,
    'idle00003',
    'with recursive c(x) as (select 1 union all select x + 1 from c) select hex(zeroblob(200000)) from c',
    20_000,
  );
  await until('a batch of several parts', () => (large.answers().length === 4 ? true : undefined), 3_000);
  large.credit(1);
  await until('its end, though it got a credit', () => (large.answers().length === 5 ? true : undefined), 3_000);
  t.match(large.answers()[4], { error: { code: 'query.idle-reader' } });
  t.equal(queries.count, 0, 'no statement is left behind');
  await cloud.close();
  await satellite.close();
  await server.stop();
  files.remove();
  t.notOk(existsSync(files.root));
});

t.test('a second burst of statements starts no process anew', async (t) => {
  const burst = (): Promise<unknown> => Promise.all(Array.from({ length: 12 }, () => run('select 1').done));
  await until('the processes of other tests to end', () => (children().length === 0 ? true : undefined));
  await burst();
  const warm = children();
  t.equal(warm.length, 4);
  t.strictSame(pool.counts, { running: 0, queued: 0, warm: 4 });
  await burst();
  t.strictSame(children(), warm, 'the same processes');
});
