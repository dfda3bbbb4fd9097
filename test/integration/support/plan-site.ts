import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Test } from 'tap';
import { PORTS, PORT_NAMES, type Ports } from '../../../installer/cluster/ports.ts';
import type { ClusterSpec, NodeSpec } from '../../../installer/cluster/spec.ts';
import { retireEvents } from '../../../installer/plan/events.ts';
import { readLines } from '../../../installer/plan/lines.ts';
import type { Plan, PlanEvent, PlanGroup, PlanLeaf, PlanNode } from '../../../installer/plan/types.ts';
import { createAuthority, issue, type KeyPair } from '../../../src/pki/authority.ts';

export const OPERATION = 'install-0badcafe';
const MAIN = join(import.meta.dirname, 'plan-main.ts');

export function leaf(node: string, phase: string, exclusive?: string): PlanLeaf {
  return { kind: 'leaf', id: `${phase}/${node}`, phase, node, ...(exclusive === undefined ? {} : { exclusive }) };
}
export function group(id: string, order: 'serial' | 'parallel', children: PlanNode[]): PlanGroup {
  return { kind: 'group', id, title: id, order, children };
}

/**
 * Two nodes on this machine, each with its own loopback address and data directory, as an install leaves them before it
 * starts.
 */
export interface Site {
  nodes: NodeSpec[];
  spec: ClusterSpec;
  authority: KeyPair;
  data(node: string): string;
  plan(root: PlanGroup, operation?: Plan['operation']): void;
  executor(node: string): ChildProcess;
  coordinator(env?: NodeJS.ProcessEnv): ChildProcess;
  /** What startCoordinator does before it starts a new run. */
  again(): void;
  events(): PlanEvent[];
  trace(node: string): string[];
  /** Kills what is left. */
  close(): Promise<void>;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.11');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

/** Writes what an executor finds on its node: its certificate and its configuration. */
async function writeNodeFiles(spec: ClusterSpec, node: NodeSpec, authority: KeyPair): Promise<void> {
  mkdirSync(join(spec.data, 'pki'), { recursive: true });
  const { cert, key } = await issue(
    authority,
    {
      commonName: node.name,
      sans: [node.address],
      usages: ['server', 'client'],
      days: 1,
      organization: 'terrarium:node',
    },
    new Date(),
  );
  for (const [name, content] of Object.entries({ 'ca.crt': authority.cert, 'node.crt': cert, 'node.key': key })) {
    writeFileSync(join(spec.data, 'pki', name), content);
  }
  mkdirSync(join(spec.data, 'operations', OPERATION), { recursive: true });
  writeFileSync(join(spec.data, 'operations', OPERATION, 'executor.json'), JSON.stringify({ spec, node }));
}

interface RoleProcesses {
  start(args: string[], env?: NodeJS.ProcessEnv): ChildProcess;
  /** Kills those that still run. */
  killAll(): Promise<void>;
}

/** Starts executors and coordinators, and shows what they write to standard error. */
function roleProcesses(): RoleProcesses {
  const children: ChildProcess[] = [];
  return {
    start: (args, env = {}) => {
      const child = spawn(process.execPath, [MAIN, ...args], {
        stdio: ['ignore', 'ignore', 'pipe'],
        env: { PATH: process.env['PATH'], ...env },
      });
      let said = '';
      child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
      child.once('exit', () => {
        if (said !== '') {
          process.stderr.write(`${args[0] ?? ''}: ${said}`);
        }
      });
      children.push(child);
      return child;
    },
    killAll: async () => {
      const left = children.filter((c) => c.exitCode === null && c.signalCode === null);
      await Promise.all(
        left.map(async (c) => {
          const gone = once(c, 'exit');
          c.kill('SIGKILL');
          await gone;
        }),
      );
    },
  };
}

async function site(dir: string): Promise<Site> {
  const nodes: NodeSpec[] = [
    { name: 'n1', address: '127.0.0.11', role: 'control-plane' },
    { name: 'n2', address: '127.0.0.12', role: 'worker' },
  ];
  const data = (node: string): string => join(dir, node);
  const ports = {
    ...Object.fromEntries(PORT_NAMES.map((n) => [n, PORTS[n].port])),
    executor: await freePort(),
  } as Ports;
  const specOf = (node: string): ClusterSpec => ({
    id: 'c1',
    name: 'test',
    nodes,
    family: 4,
    serviceRange: '240.96.0.0/16',
    ports,
    prefix: join(dir, 'prefix'),
    data: data(node),
    consoleName: undefined,
    overrides: [],
  });
  const authority = await createAuthority('c1', new Date());
  for (const node of nodes) {
    await writeNodeFiles(specOf(node.name), node, authority);
  }
  const processes = roleProcesses();
  const operation = (node: string, file: string): string => join(data(node), 'operations', OPERATION, file);
  return {
    nodes,
    spec: specOf('n1'),
    authority,
    data,
    plan: (root, kind = 'install') =>
      writeFileSync(
        operation('n1', 'plan.json'),
        JSON.stringify({ id: OPERATION, operation: kind, spec: specOf('n1'), root } satisfies Plan),
      ),
    executor: (node) => processes.start(['executor', OPERATION, operation(node, 'executor.json')]),
    coordinator: (env) => processes.start(['coordinator', OPERATION, data('n1')], env),
    again: () => retireEvents(operation('n1', 'events.jsonl')),
    events: () => readLines<PlanEvent>(operation('n1', 'events.jsonl')),
    trace: (node) =>
      existsSync(join(data(node), 'trace'))
        ? readFileSync(join(data(node), 'trace'), 'utf8')
            .trim()
            .split('\n')
        : [],
    close: processes.killAll,
  };
}

/** The exit code of a process, or the signal that ended it. */
export async function exit(child: ChildProcess): Promise<number | string> {
  if (child.exitCode === null && child.signalCode === null) {
    await once(child, 'exit');
  }
  return child.signalCode ?? child.exitCode ?? -1;
}

/** Waits until something is true. */
export async function until(what: string, condition: () => boolean | Promise<boolean>, ms = 45_000): Promise<void> {
  const deadline = Date.now() + ms;
  while (!(await condition())) {
    if (Date.now() > deadline) {
      throw new Error(`${what} did not happen within ${ms} ms`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The events by which runs ended. */
export function ends(events: PlanEvent[]): Extract<PlanEvent, { type: 'end' }>[] {
  return events.filter((e) => e.type === 'end');
}

/** Why the executor on n2 was waited for. */
export function waits(events: PlanEvent[]): (string | undefined)[] {
  return events.flatMap((e) => (e.type === 'waiting' && e.for === 'the executor on n2' ? [e.cause] : []));
}

/** A site that is gone when the test is over. */
export async function prepare(t: Test): Promise<Site> {
  const s = await site(t.testdir());
  t.teardown(() => s.close());
  return s;
}
