import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { NatsConnection } from '@nats-io/transport-node';
import t from 'tap';
import type { QueryLine } from '../../src/api/queries.ts';
import { connectBus } from '../../src/bus/connect.ts';
import { HEARTBEAT_MS } from '../../src/bus/frames.ts';
import { nameOf, subjects } from '../../src/bus/subjects.ts';
import { MEMORY_LIMIT } from '../../src/satellite/sql/child.ts';
import { hostileStatements } from '../support/hostile-statements.ts';
import { API_TOKEN, localClouds, until, type LocalClouds } from '../support/local-cloud.ts';
import { childrenOf, resident } from '../support/memory.ts';
import { querySocket, type QuerySocket } from '../support/query-socket.ts';
import { memoryGroup, testSatellite, type MemoryGroup, type TestSatellite } from '../support/satellites.ts';

/**
 * Eight hostile statements at once, through the cloud, on two satellites: one runs as its pod does, one as a service
 * does.
 */
const node = { name: 'n1', address: '127.0.0.1' };
const kinds = ['pod', 'service'] as const;
/** As in manifests/satellite.yaml and in src/satellite/service/unit.ts. */
const MEMORY = 1536 * 1024 ** 2;
/** What a statement is given. */
const TIMEOUT_MS = 4_000;
const AMPLE_MS = 30_000;

let clouds: LocalClouds;
let socket: QuerySocket;
let bus: NatsConnection;
const satellites: TestSatellite[] = [];
const groups = new Map<string, MemoryGroup | undefined>();
const beats = new Map<string, number[]>(kinds.map((k) => [k, []]));

t.before(async () => {
  clouds = await localClouds([node], { satellites: [...kinds] });
  await clouds.start(node);
  for (const kind of kinds) {
    const group = memoryGroup(kind, MEMORY);
    groups.set(kind, group);
    satellites.push(testSatellite(clouds, node, kind, { runAs: kind, ...(group === undefined ? {} : { group }) }));
  }
  for (const s of satellites) {
    s.start();
  }
  await Promise.all(satellites.map((s) => s.heard()));
  socket = await querySocket(clouds, node, { authorization: `Bearer ${API_TOKEN}` });
  bus = await connectBus({
    servers: [`${node.address}:${clouds.ports.nats}`],
    tls: clouds.files.cloudTls(node.name),
    name: 'test',
    onlyThese: true,
  });
  bus.subscribe(subjects.allHeartbeats, {
    callback: (_, msg) => void beats.get(nameOf(msg.subject.split('.')[1] ?? ''))?.push(Date.now()),
  });
  await bus.flush();
});
t.teardown(async () => {
  await bus.close();
  await socket.close();
  await Promise.all(satellites.map((s) => s.kill()));
  await clouds.stop();
  // The last of the statements' processes may still be going.
  for (const group of groups.values()) {
    if (group !== undefined) {
      await until('an empty group', () => {
        try {
          group.remove();
          return true;
        } catch {
          return undefined;
        }
      });
    }
  }
});

function outcome(lines: QueryLine[], sat: string): string {
  const line = lines.find((l) => 'sat' in l && l.sat === sat && ('error' in l || 'end' in l));
  return line !== undefined && 'error' in line ? line.error.code : 'rows';
}

t.test(
  'eight hostile statements at once are stopped or refused within their limits; satellites beat on, and a normal ' +
    'query answers within 2 s after',
  { timeout: 300_000 },
  async (t) => {
    const stolen = join(clouds.files.root, 'stolen');
    const pids = satellites.map((s) => s.pid);
    let biggest = 0;
    const look = setInterval(() => {
      for (const child of pids.flatMap(childrenOf)) {
        try {
          biggest = Math.max(biggest, resident(child));
        } catch {
          // It has just ended.
        }
      }
    }, 100);
    const began = Date.now();
    const statements = hostileStatements(stolen);
    const answers = await Promise.all(
      statements.map(async ([what, sql, expected]) => {
        const lines = await socket.ask({ sql, satellites: [...kinds], timeoutMs: TIMEOUT_MS });
        return { what, expected, lines, ms: Date.now() - began };
      }),
    );
    const took = Date.now() - began;
    const asked = Date.now();
    const normal = await socket.ask({ sql: 'select count(*) from memory', satellites: [...kinds] });
    const answered = Date.now() - asked;
    clearInterval(look);
    for (const { what, expected, lines, ms } of answers) {
      for (const kind of kinds) {
        t.match(outcome(lines, kind), expected, `${what} on the ${kind}, after ${ms} ms`);
      }
      t.match(lines.at(-1), { done: true, satellites: { pod: /denied|error/, service: /denied|error/ } });
    }
    t.ok(took < 60_000, `all ended after ${took} ms`);
    t.match(normal.at(-1), { done: true, satellites: { pod: 'rows', service: 'rows' } });
    // 2 s are promised; this is a machine that runs tests.
    t.ok(answered < 10_000, `a normal query answers after ${answered} ms: ${JSON.stringify(normal)}`);
    // The limit is looked at ten times a second, and a statement can take up a few hundred megabytes in that time.
    t.ok(biggest < 3 * MEMORY_LIMIT, `the largest process of a statement had ${Math.round(biggest / 1024 ** 2)} MiB`);
    for (const [what, sql, , refusal] of statements) {
      if (refusal === undefined) {
        continue;
      }
      const lines = await socket.ask({ sql, satellites: [...kinds], timeoutMs: AMPLE_MS });
      for (const kind of kinds) {
        t.equal(outcome(lines, kind), refusal, `${what} on the ${kind}, alone`);
      }
    }
    t.notOk(existsSync(stolen), 'no file was written');

    const after = Date.now();
    await until(
      'one more heartbeat of each',
      () => (kinds.every((k) => (beats.get(k)?.at(-1) ?? 0) > after) ? true : undefined),
      30_000,
    );
    for (const [i, kind] of kinds.entries()) {
      const at = [began, ...(beats.get(kind) ?? []).filter((b) => b > began), Date.now()];
      const gap = Math.max(...at.slice(1).map((b, n) => b - (at[n] ?? b)));
      t.ok(gap < 2 * HEARTBEAT_MS, `no heartbeat of the ${kind} was missed: at most ${gap} ms between two`);
      t.equal(satellites[i]?.pid, pids[i]);
      const group = groups.get(kind);
      if (group === undefined) {
        t.comment(`this machine gives no cgroup for the memory of the ${kind}`);
      } else {
        t.equal(
          group.kills(),
          0,
          `the ${kind} stayed within its memory: at most ${Math.round(group.peak() / 1024 ** 2)} MiB`,
        );
      }
    }
  },
);
