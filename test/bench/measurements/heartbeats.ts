import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectBus } from '../../../src/bus/connect.ts';
import { DEGRADED_MS, HEARTBEAT_MS, UNREACHABLE_MS } from '../../../src/bus/frames.ts';
import { satelliteIdentity } from '../../../src/bus/identities.ts';
import { nameOf, subjects } from '../../../src/bus/subjects.ts';
import type { SatelliteInfo } from '../../../src/cloud/api.ts';
import { createRequest, signRequest } from '../../../src/pki/authority.ts';
import { API_TOKEN, call, localClouds, until } from '../../support/local-cloud.ts';
import { childrenOf, processorMs, proportional } from '../../support/memory.ts';
import { table, type Measurement } from '../measurement.ts';
import { COMMAND, REMARK } from '../support/terrarium-command.ts';

const COUNTS = (process.env['TERRARIUM_BENCH_SATELLITES'] ?? '1000,5000,10000').split(',').map(Number);
/** A process may have 20,000 files at most, and its memory is not the product's. */
const PER_PROCESS = 2_500;
const STEADY_MS = 30_000;
const MIB = 1024 ** 2;

const node = { name: 'n1', address: '127.0.0.1' };

interface Result {
  satellites: number;
  /** Until all were heard for the first time, ms. */
  connected: number;
  /** Parts of one processor, at rest. */
  cpu: { cloud: number; natsServer: number };
  /** Bytes, proportional. */
  memory: { cloud: number; natsServer: number };
  /** After its last heartbeat, ms. */
  silent: { degraded: number; unreachable: number };
  /** After nats-server was killed: until all were heard again, ms; and what the cloud worked for it, ms of a processor. */
  reconnected: { half: number; all: number; cloudMs: number };
}

async function simulate(ids: string[], settings: { server: string; ca: string; key: string; cert(id: string): string }): Promise<ChildProcess[]> {
  const children: ChildProcess[] = [];
  for (let from = 0; from < ids.length; from += PER_PROCESS) {
    const child = fork(join(import.meta.dirname, '../support/heartbeats.ts'), [], { stdio: ['pipe', 'inherit', 'inherit', 'ipc'] });
    child.stdin?.end(JSON.stringify({ server: settings.server, ca: settings.ca, key: settings.key, satellites: ids.slice(from, from + PER_PROCESS).map((id) => ({ id, cert: settings.cert(id) })) }));
    children.push(child);
  }
  await Promise.all(children.map((c) => once(c, 'message')));
  return children;
}

async function measure(count: number, ids: string[], certs: Map<string, string>, key: string, clouds: Awaited<ReturnType<typeof localClouds>>, say: (line: string) => void): Promise<Result> {
  const cloud = await clouds.start(node);
  const pid = cloud.pid ?? 0;
  const server = (): number => childrenOf(pid)[0] ?? 0;
  const address = `${node.address}:${clouds.ports.nats}`;
  const bus = await connectBus({ servers: [address], tls: clouds.files.cloudTls(node.name), name: 'bench', onlyThese: true });
  const heard = new Map<string, number>();
  bus.subscribe(subjects.allHeartbeats, { callback: (_, msg) => void heard.set(nameOf(msg.subject.split('.')[1] ?? ''), Date.now()) });
  const since = (from: number): number => [...heard.values()].filter((at) => at >= from).length;
  let children: ChildProcess[] = [];
  try {
    const began = Date.now();
    children = await simulate(ids, { server: address, ca: clouds.files.authority.cert, key, cert: (id) => certs.get(id) ?? '' });
    await until('all to be heard', () => (since(began) === count ? true : undefined), 600_000);
    const connected = Date.now() - began;
    say(`${count}: all connected after ${(connected / 1000).toFixed(0)} s`);
    await sleep(2 * HEARTBEAT_MS);
    const start = { cloud: processorMs(pid), server: processorMs(server()), at: Date.now() };
    await sleep(STEADY_MS);
    const span = Date.now() - start.at;
    const cpu = { cloud: (processorMs(pid) - start.cloud) / span, natsServer: (processorMs(server()) - start.server) / span };
    const memory = { cloud: proportional(pid), natsServer: proportional(server()) };
    say(`${count}: cloud ${(cpu.cloud * 100).toFixed(0)} % of a processor`);

    const [silent = ''] = ids;
    const told = once(children[0] as ChildProcess, 'message');
    children[0]?.send(`silence ${silent}`);
    await told;
    const last = heard.get(silent) ?? 0;
    const until_ = (state: SatelliteInfo['state']): Promise<number> => until(`${silent} to be ${state}`, async () => {
      const answer = await call(clouds, node, `/api/v1/satellites/${silent}`, { headers: { authorization: `Bearer ${API_TOKEN}` } });
      return (JSON.parse(answer.body) as SatelliteInfo).state === state ? Date.now() - last : undefined;
    }, 120_000);
    const degraded = await until_('degraded');
    const unreachable = await until_('unreachable');
    say(`${count}: a silent one is degraded after ${degraded} ms, unreachable after ${unreachable} ms`);

    const worked = processorMs(pid);
    const killed = Date.now();
    process.kill(server(), 'SIGKILL');
    // What was on its way counts for nothing: the server is down for longer than that.
    const from = killed + 500;
    const progress = setInterval(() => say(`${count}: ${since(from)} are back after ${((Date.now() - killed) / 1000).toFixed(0)} s`), 20_000);
    const half = await until('half of them to be back', () => (since(from) >= count / 2 ? Date.now() - killed : undefined), 600_000);
    const all = await until('all of them to be back', () => (since(from) >= count - 1 ? Date.now() - killed : undefined), 600_000).finally(() => clearInterval(progress));
    say(`${count}: all are back ${(all / 1000).toFixed(0)} s after nats-server was killed`);
    return { satellites: count, connected, cpu, memory, silent: { degraded, unreachable }, reconnected: { half, all, cloudMs: processorMs(pid) - worked } };
  } finally {
    for (const child of children) child.kill('SIGKILL');
    await bus.close();
    await clouds.stop();
  }
}

export const measurement: Measurement = {
  title: 'Satellites of one cloud instance',
  needsLab: false,
  async run(say) {
    const results: Result[] = [];
    for (const count of COUNTS) {
      const ids = Array.from({ length: count }, (_, i) => `sim-${i}`);
      const clouds = await localClouds([node], { known: ids, command: COMMAND });
      say(`${count}: making certificates`);
      const { csr, key } = await createRequest('simulated');
      const now = new Date();
      const certs = new Map<string, string>();
      for (const id of ids) certs.set(id, await signRequest(clouds.files.authority, csr, satelliteIdentity(id), now));
      results.push(await measure(count, ids, certs, key, clouds, say));
    }
    const s = (ms: number): string => (ms / 1000).toFixed(1);
    const largest = results.at(-1);
    const markdown = [
      `Simulated satellites, each with a TLS connection, a certificate and a heartbeat of its own every ${HEARTBEAT_MS / 1000} s, against one cloud instance and its nats-server; the simulators (not counted) share the machine. Processor as parts of one, over ${STEADY_MS / 1000} s; memory proportional, MiB; times in s.${REMARK}`,
      '',
      table(
        ['satellites', 'cloud: processor', 'memory', 'nats-server: processor', 'memory', 'a silent one degraded', 'unreachable', 'nats-server killed: half back', 'all back', 'processor time of the cloud for it'],
        results.map((r) => [r.satellites, `${(r.cpu.cloud * 100).toFixed(0)} %`, (r.memory.cloud / MIB).toFixed(0), `${(r.cpu.natsServer * 100).toFixed(0)} %`, (r.memory.natsServer / MIB).toFixed(0), s(r.silent.degraded), s(r.silent.unreachable), s(r.reconnected.half), s(r.reconnected.all), s(r.reconnected.cloudMs)]),
      ),
      '',
      `A satellite is degraded ${DEGRADED_MS / 1000} s after its last heartbeat, unreachable after ${UNREACHABLE_MS / 1000} s.${largest === undefined ? '' : ` ${largest.satellites} satellites: goal below 50 % of a processor (${largest.cpu.cloud < 0.5 ? 'kept' : 'missed'} by the cloud alone).`}`,
    ].join('\n');
    return { data: { results }, markdown };
  },
};
