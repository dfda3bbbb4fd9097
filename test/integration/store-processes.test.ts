import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { until } from '../support/local-cloud.ts';
import { startCluster, type Member } from '../support/store-cluster.ts';
import type { Config, Said } from '../support/store-process.ts';

const output: string[] = [];
const acknowledged = new Map<string, number>();

interface Instance {
  config: Config;
  child: ChildProcess;
}

function start(config: Config): ChildProcess {
  const child = fork('test/support/store-process.ts', [JSON.stringify(config)], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => output.push(chunk.toString('utf8')));
  }
  child.on('message', (said: Said) => {
    if (said.type === 'acknowledged') {
      acknowledged.set(said.id, said.position);
    }
  });
  return child;
}

async function ask<T extends Said['type']>(
  child: ChildProcess,
  question: string,
  type: T,
): Promise<Extract<Said, { type: T }>> {
  const { promise, resolve } = Promise.withResolvers<Extract<Said, { type: T }>>();
  const listen = (said: Said): void => {
    if (said.type === type) {
      resolve(said as Extract<Said, { type: T }>);
    }
  };
  child.on('message', listen);
  child.send(question);
  try {
    return await promise;
  } finally {
    child.off('message', listen);
  }
}

const readyAt = async ({ child }: Instance): Promise<string | undefined> => {
  const { state, epoch, position } = await ask(child, 'status', 'status');
  return state === 'ready' ? `${epoch} ${position}` : undefined;
};

t.test(
  'instances are killed -9 one after the other, each with writers of its own: nothing acknowledged is lost, none ' +
    'is applied twice',
  async (t) => {
    const cluster = await startCluster(3);
    const instances = cluster.members.map((m: Member): Instance => {
      const own = m.options.settings;
      const others = cluster.members.map((x) => x.options.settings).filter((x) => x.node !== m.name);
      const config = {
        self: m.name,
        dir: m.dir,
        streams: m.streams,
        servers: [own, ...others].map((s) => `${s.address}:${s.port}`),
        tls: cluster.files.cloudTls(m.name),
        instances: cluster.members.map((x) => x.name),
      };
      return { config, child: start(config) };
    });
    try {
      await Promise.all(instances.map((i) => until(`${i.config.self} ready`, () => readyAt(i), 30_000)));
      for (const { child } of instances) {
        child.send('write');
      }
      for (const victim of [...instances, ...instances]) {
        await sleep(1500);
        victim.child.kill('SIGKILL');
        await once(victim.child, 'exit');
        victim.child = start(victim.config);
        await until(`${victim.config.self} ready`, () => readyAt(victim), 30_000);
        victim.child.send('write');
      }
      await sleep(1000);
      await Promise.all(instances.map((i) => ask(i.child, 'stop', 'stopped')));
      await until(
        'one position',
        async () => {
          const places = await Promise.all(instances.map(readyAt));
          return places.every((p) => p !== undefined && p === places[0]) ? true : undefined;
        },
        30_000,
      );
      const [first, ...others] = await Promise.all(instances.map((i) => ask(i.child, 'contents', 'contents')));
      for (const other of others) {
        for (const [table, rows] of Object.entries(first?.rows ?? {})) {
          t.same(other.rows[table], rows, table);
        }
      }
      const applied = new Map<string, number[]>();
      for (const row of (first?.rows['audit'] ?? []) as string[]) {
        const { id, position } = JSON.parse(row) as { id: string; position: number };
        applied.set(id, [...(applied.get(id) ?? []), position]);
      }
      t.same(
        [...acknowledged].filter(
          ([id, position]) => applied.get(id)?.length !== 1 || applied.get(id)?.[0] !== position,
        ),
        [],
      );
      t.ok(acknowledged.size > 500);
      t.comment(`${acknowledged.size} acknowledged`);
    } catch (error) {
      t.comment(output.join(''));
      throw error;
    } finally {
      for (const { child } of instances) {
        child.kill('SIGKILL');
      }
      await cluster.stop();
    }
  },
);
