import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SatelliteInfo } from '../../../src/api/satellites.ts';
import { connectBus } from '../../../src/bus/connect.ts';
import { DEGRADED_MS, HEARTBEAT_MS, UNREACHABLE_MS } from '../../../src/bus/frames.ts';
import { nameOf, subjects } from '../../../src/bus/subjects.ts';
import { API_TOKEN, call, localClouds, until, type LocalClouds } from '../../support/local-cloud.ts';
import { childrenOf, processorMs, proportional } from '../../support/memory.ts';
import { seconds, table, type Measurement } from '../measurement.ts';
import { COMMAND, REMARK } from '../support/terrarium-command.ts';

const COUNTS = (process.env['TERRARIUM_BENCH_SATELLITES'] ?? '1000,5000,10000').split(',').map(Number);
/** A process may have 20,000 files at most, and its memory is not the product's. */
const PER_PROCESS = 2_500;
const STEADY_MS = 30_000;
/** For all of them to connect, and for all to come back. */
const PATIENCE_MS = 600_000;
const MIB = 1024 ** 2;

const node = { name: 'n1', address: '127.0.0.1' };

/** Of each: milliseconds of processor time, or parts of one processor. */
interface Work {
  cloud: number;
  natsServer: number;
  simulators: number;
}

/** Until so many were heard, ms. */
interface Progress {
  half: number;
  most: number;
  all: number;
}

interface Result {
  satellites: number;
  /** For the first time. */
  connected: Progress;
  /** Parts of one processor, at rest. */
  cpu: Work;
  /** Bytes, proportional. */
  memory: { cloud: number; natsServer: number };
  /** After its last heartbeat, ms. */
  silent: { degraded: number; unreachable: number };
  /** Since nats-server was killed, and what they worked for it, ms of a processor. */
  back: Progress & { work: Work };
}

async function simulate(ids: string[], clouds: LocalClouds, children: ChildProcess[]): Promise<void> {
  // Two at least: they are to keep all processors busy when all connect at once.
  const each = Math.ceil(ids.length / Math.max(2, Math.ceil(ids.length / PER_PROCESS)));
  for (let from = 0; from < ids.length; from += each) {
    const child = fork(join(import.meta.dirname, '../support/heartbeats.ts'), [], {
      stdio: ['pipe', 'inherit', 'inherit', 'ipc'],
    });
    child.stdin?.end(
      JSON.stringify({
        server: `${node.address}:${clouds.ports.nats}`,
        authority: clouds.files.authority,
        satellites: ids.slice(from, from + each),
      }),
    );
    children.push(child);
  }
  await Promise.all(children.map((c) => once(c, 'message')));
}

async function tell(child: ChildProcess, message: string): Promise<void> {
  const told = once(child, 'message');
  child.send(message);
  await told;
}

/** A cloud, its simulated satellites, and what is heard of them. */
interface Fleet {
  count: number;
  clouds: LocalClouds;
  /** The cloud's process. */
  pid: number;
  simulators: ChildProcess[];
  /** When each satellite was heard last. */
  heard: Map<string, number>;
  say: (line: string) => void;
  signal: AbortSignal;
}

const serverOf = ({ pid }: Fleet): number => childrenOf(pid)[0] ?? 0;

/** Processor time until now, ms. */
const workOf = (fleet: Fleet): Work => ({
  cloud: processorMs(fleet.pid),
  natsServer: processorMs(serverOf(fleet)),
  simulators: fleet.simulators.reduce((sum, c) => sum + processorMs(c.pid ?? 0), 0),
});

const less = (a: Work, b: Work, by = 1): Work => ({
  cloud: (a.cloud - b.cloud) / by,
  natsServer: (a.natsServer - b.natsServer) / by,
  simulators: (a.simulators - b.simulators) / by,
});

/** How many satellites have been heard from then on. */
function heardSince(heard: Map<string, number>, from: number): number {
  let n = 0;
  for (const at of heard.values()) {
    if (at >= from) {
      n += 1;
    }
  }
  return n;
}

/** Waits until `wanted` satellites have been heard since `from`. @returns times since `began` */
async function progress(
  { count, heard, say, signal }: Fleet,
  what: string,
  { from, began, wanted }: { from: number; began: number; wanted: number },
): Promise<Progress> {
  const reached = (n: number): Promise<number> =>
    until(
      `${n} satellites to be ${what}`,
      () => {
        signal.throwIfAborted();
        return heardSince(heard, from) >= n ? Date.now() - began : undefined;
      },
      PATIENCE_MS,
    );
  const telling = setInterval(
    () => say(`${count}: ${heardSince(heard, from)} are ${what} after ${((Date.now() - began) / 1000).toFixed(0)} s`),
    20_000,
  );
  try {
    const found = {
      half: await reached(count / 2),
      most: await reached(Math.ceil(count * 0.99) - 1),
      all: await reached(wanted),
    };
    say(
      `${count}: ${what}: half after ${seconds(found.half)} s, 99 % after ${seconds(found.most)} s, all after ` +
        `${seconds(found.all)} s`,
    );
    return found;
  } finally {
    clearInterval(telling);
  }
}

/** How many commands the state has. */
async function written(clouds: LocalClouds): Promise<number> {
  const metrics = await call(clouds, node, '/metrics', { headers: { authorization: `Bearer ${API_TOKEN}` } });
  const [, found] = /^terrarium_state_position (\d+)/m.exec(metrics.body) ?? [];
  if (found === undefined) {
    throw new Error(`the cloud tells no position: ${metrics.body.slice(0, 200)}`);
  }
  return Number(found);
}

/** Connects all satellites; ends when nothing more is written for it. */
async function connectAll(fleet: Fleet): Promise<Progress> {
  const { count, clouds, say, signal } = fleet;
  const began = Date.now();
  for (const simulator of fleet.simulators) {
    await tell(simulator, 'connect');
  }
  const connected = await progress(fleet, 'connected', { from: began, began, wanted: count });
  // The first heartbeats of all bring each into the state, which is no rest.
  let [before, position] = [-1, await written(clouds)];
  while (position !== before) {
    await sleep(2 * HEARTBEAT_MS, undefined, { signal });
    [before, position] = [position, await written(clouds)];
  }
  say(`${count}: nothing more is written to the state after ${seconds(Date.now() - began)} s`);
  return connected;
}

async function measureRest(fleet: Fleet): Promise<Pick<Result, 'cpu' | 'memory'>> {
  const { count, pid, say, signal } = fleet;
  const start = { work: workOf(fleet), at: Date.now() };
  await sleep(STEADY_MS, undefined, { signal });
  const cpu = less(workOf(fleet), start.work, Date.now() - start.at);
  const memory = { cloud: proportional(pid), natsServer: proportional(serverOf(fleet)) };
  say(
    `${count}: at rest cloud ${(cpu.cloud * 100).toFixed(0)} %, nats-server ${(cpu.natsServer * 100).toFixed(0)} ` +
      `%, simulators ${(cpu.simulators * 100).toFixed(0)} % of a processor`,
  );
  return { cpu, memory };
}

/** Silences one satellite. @returns how long after its last heartbeat that is noticed */
async function measureSilence(
  { count, clouds, simulators, heard, say, signal }: Fleet,
  silent: string,
): Promise<Result['silent']> {
  await tell(simulators[0] as ChildProcess, `silence ${silent}`);
  // Its last one may be on its way yet.
  const last = (): number => heard.get(silent) ?? 0;
  const isIn = (state: SatelliteInfo['state']): Promise<number> =>
    until(
      `${silent} to be ${state}`,
      async () => {
        signal.throwIfAborted();
        const answer = await call(clouds, node, `/api/v1/satellites/${silent}`, {
          headers: { authorization: `Bearer ${API_TOKEN}` },
        });
        return (JSON.parse(answer.body) as SatelliteInfo).state === state ? Date.now() - last() : undefined;
      },
      120_000,
    );
  const degraded = await isIn('degraded');
  const unreachable = await isIn('unreachable');
  say(`${count}: a silent one is degraded after ${degraded} ms, unreachable after ${unreachable} ms`);
  return { degraded, unreachable };
}

/** Kills nats-server, so that all satellites but the silent one come back at once. */
async function measureReturn(fleet: Fleet): Promise<Result['back']> {
  const { count, say } = fleet;
  const worked = workOf(fleet);
  const killed = Date.now();
  process.kill(serverOf(fleet), 'SIGKILL');
  // Heartbeats that were on their way count for nothing: a satellite waits longer than that before it comes back.
  const back = await progress(fleet, 'back', { from: killed + 500, began: killed, wanted: count - 1 });
  // The server is another process now, which began with nothing.
  const spent = less(workOf(fleet), { ...worked, natsServer: 0 });
  say(
    `${count}: for it the cloud worked ${seconds(spent.cloud)} s, nats-server ${seconds(spent.natsServer)} s, ` +
      `the simulators ${seconds(spent.simulators)} s`,
  );
  return { ...back, work: spent };
}

async function measure(
  count: number,
  ids: string[],
  clouds: LocalClouds,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<Result> {
  const simulators: ChildProcess[] = [];
  const heard = new Map<string, number>();
  let close = (): Promise<unknown> => Promise.resolve();
  try {
    const pid = (await clouds.start(node)).pid ?? 0;
    const fleet: Fleet = { count, clouds, pid, simulators, heard, say, signal };
    const bus = await connectBus({
      servers: [`${node.address}:${clouds.ports.nats}`],
      tls: clouds.files.cloudTls(node.name),
      name: 'bench',
      onlyThese: true,
    });
    close = () => bus.close();
    bus.subscribe(subjects.allHeartbeats, {
      callback: (_, msg) => void heard.set(nameOf(msg.subject.split('.')[1] ?? ''), Date.now()),
    });
    say(`${count}: making certificates`);
    await simulate(ids, clouds, simulators);
    const connected = await connectAll(fleet);
    const { cpu, memory } = await measureRest(fleet);
    const [first = ''] = ids;
    const silent = await measureSilence(fleet, first);
    const back = await measureReturn(fleet);
    return { satellites: count, connected, cpu, memory, silent, back };
  } finally {
    for (const simulator of simulators) {
      simulator.kill('SIGKILL');
    }
    await close();
    await clouds.stop();
  }
}

export const measurement: Measurement = {
  title: 'Satellites of one cloud instance',
  needsLab: false,
  async run(say, signal) {
    const results: Result[] = [];
    for (const count of COUNTS) {
      signal.throwIfAborted();
      const ids = Array.from({ length: count }, (_, i) => `sim-${i}`);
      results.push(await measure(count, ids, await localClouds([node], { known: ids, command: COMMAND }), say, signal));
    }
    const percent = (part: number): string => `${(part * 100).toFixed(0)} %`;
    const mib = (bytes: number): string => (bytes / MIB).toFixed(0);
    const largest = results.at(-1);
    const markdown = [
      `Simulated satellites, each with a TLS connection, a certificate, a heartbeat every ${HEARTBEAT_MS / 1000} s ` +
        'and the link of a satellite outside the cluster, against one cloud instance and its nats-server; the ' +
        `simulators share the machine and its processors.${REMARK}`,
      '',
      `At rest, over ${STEADY_MS / 1000} s: processor as parts of one; memory proportional, MiB. Times in s.`,
      '',
      table(
        [
          'satellites',
          'cloud: processor',
          'memory',
          'nats-server: processor',
          'memory',
          'simulators: processor',
          'a silent one degraded',
          'unreachable',
        ],
        results.map((r) => [
          r.satellites,
          percent(r.cpu.cloud),
          mib(r.memory.cloud),
          percent(r.cpu.natsServer),
          mib(r.memory.natsServer),
          percent(r.cpu.simulators),
          seconds(r.silent.degraded),
          seconds(r.silent.unreachable),
        ]),
      ),
      '',
      'nats-server killed, so that all come back at once: s until they are heard again, and the processor time (s) ' +
        'that all of it took. Each waits 1 to 8 s first, so that they do not come in one moment; a try has 5 s, the ' +
        'next ones up to 20 s.',
      '',
      table(
        ['satellites', 'half back', '99 %', 'all', 'cloud: processor time', 'nats-server', 'simulators'],
        results.map((r) => [
          r.satellites,
          seconds(r.back.half),
          seconds(r.back.most),
          seconds(r.back.all),
          seconds(r.back.work.cloud),
          seconds(r.back.work.natsServer),
          seconds(r.back.work.simulators),
        ]),
      ),
      '',
      `A satellite is degraded ${DEGRADED_MS / 1000} s after its last heartbeat, unreachable after ` +
        `${UNREACHABLE_MS / 1000} ` +
        `s.${
          largest === undefined
            ? ''
            : ` ${largest.satellites} satellites: goal below 50 % of a processor ` +
              `(${largest.cpu.cloud < 0.5 ? 'kept' : 'missed'} by the cloud alone).`
        }`,
    ].join('\n');
    return { data: { results }, markdown };
  },
};
