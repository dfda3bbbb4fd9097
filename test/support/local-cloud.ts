import { spawn, type ChildProcess } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { join } from 'node:path';
import { PORT_NAMES, type Ports } from '../../installer/cluster/ports.ts';
import { hashPassword } from '../../src/cloud/auth/password.ts';
import { openDatabase } from '../../src/store/database.ts';
import { openFacts } from '../../src/store/facts.ts';
import { busFiles, freePorts, NATS_SERVER, type BusFiles } from './bus-files.ts';

export const PASSWORD = 'a test password';
export const API_TOKEN = `trr_${randomBytes(32).toString('base64url')}`;

export interface LocalNode {
  name: string;
  address: string;
}

/** Clouds as processes on loopback addresses, each as its pod runs it, without Kubernetes. */
export interface LocalClouds {
  files: BusFiles;
  nodes: LocalNode[];
  ports: Ports;
  configFile: string;
  /** How terrarium is called. */
  command: readonly string[];
  env(node: LocalNode): NodeJS.ProcessEnv;
  /** Resolves when it is ready; several are started together the first time, later a majority of them. */
  start(node: LocalNode, env?: NodeJS.ProcessEnv): Promise<ChildProcess>;
  /** Ends the clouds; the files stay. */
  halt(): Promise<void>;
  stop(): Promise<void>;
  output: string[];
}

function writeClusterConfig(configFile: string, ports: Ports, nodes: LocalNode[]): void {
  writeFileSync(
    configFile,
    JSON.stringify({
      id: 'c0ffee',
      name: 'test',
      version: '0.1.0',
      ports,
      serviceRange: '240.96.0.0/16',
      controlPlanes: nodes.map((n) => n.address),
    }),
  );
}

/** Writes what an instance has learnt from Kubernetes before: it starts with that while Kubernetes is not there. */
async function writeFacts(data: string, credentials: object | undefined, topology: object): Promise<void> {
  const state = join(data, 'cloud/state');
  mkdirSync(state, { recursive: true });
  const db = await openDatabase(join(state, 'cloud.db'));
  const facts = openFacts(db);
  if (credentials !== undefined) {
    facts.put('credentials', credentials);
  }
  facts.put('topology', topology);
  db.close();
}

/** Gathers what a cloud prints. @throws Error with all of that where it ends before it is ready */
function untilItSaysReady(child: ChildProcess, node: LocalNode, output: string[]): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    child.once('exit', (code) =>
      reject(new Error(`the cloud of ${node.name} ended with ${code}:\n${output.join('')}`)),
    );
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        output.push(`${node.name} ${chunk.toString('utf8')}`);
        if (chunk.includes('cloud: ready')) {
          resolve();
        }
      });
    }
  });
}

async function untilReady(clouds: LocalClouds, node: LocalNode): Promise<void> {
  let last = '';
  await until(
    `${node.name} to be ready`,
    async () => {
      const answer = await call(clouds, node, '/readyz').catch((error: Error) => ({
        status: 0,
        body: error.message,
      }));
      last = answer.body;
      return answer.status === 200 ? true : undefined;
    },
    45_000,
  ).catch((error: Error) => {
    throw new Error(`${error.message}: ${last}\n${clouds.output.join('')}`);
  });
}

/**
 * @param options `credentials: false`: as new instances, which have never read the Secret; `satellites`: of nodes
 *   without a cloud;
 * `known`: satellites that may connect, whose certificates the caller makes; `command`: how terrarium is called, by
 * default TERRARIUM_UNDER_TEST or else from source.
 */
export async function localClouds(
  nodes: LocalNode[],
  options: { credentials?: false; satellites?: string[]; known?: string[]; command?: string[] } = {},
): Promise<LocalClouds> {
  const workers = (options.satellites ?? []).map((name) => ({ name, address: '127.0.0.1' }));
  const files = await busFiles([...nodes, ...workers]);
  const numbers = await freePorts(PORT_NAMES.length);
  const ports = Object.fromEntries(PORT_NAMES.map((name, i) => [name, numbers[i]])) as Ports;
  const configFile = join(files.root, 'cluster.json');
  writeClusterConfig(configFile, ports, nodes);
  const credentials = {
    adminPasswordHash: await hashPassword(PASSWORD),
    apiTokenHash: createHash('sha256').update(API_TOKEN).digest('hex'),
  };
  const topology = {
    servers: nodes,
    satellites: [...[...nodes, ...workers].map((n) => n.name), ...(options.known ?? [])],
    jetstream: nodes.length >= 3,
  };
  for (const node of nodes) {
    await writeFacts(files.data(node.name), options.credentials === false ? undefined : credentials, topology);
  }
  const built = process.env['TERRARIUM_UNDER_TEST'];
  const command = options.command ?? (built === undefined ? [process.execPath, 'src/main.ts'] : [built]);
  const output: string[] = [];
  const children = new Set<ChildProcess>();
  const env = (node: LocalNode): NodeJS.ProcessEnv => ({
    ...process.env,
    TERRARIUM_NODE: node.name,
    TERRARIUM_ADDRESS: node.address,
    TERRARIUM_DATA: files.data(node.name),
    TERRARIUM_CLUSTER_CONFIG: configFile,
    TERRARIUM_NATS_SERVER: NATS_SERVER,
    TERRARIUM_SERVICE_ACCOUNT: join(files.root, 'none'),
    TERRARIUM_LISTEN: node.address,
    TERRARIUM_CONSOLE: process.env['TERRARIUM_CONSOLE'] ?? 'build/console',
  });
  const clouds: LocalClouds = {
    files,
    nodes,
    ports,
    configFile,
    command,
    env,
    output,
    async start(node, more = {}) {
      const child = spawn(command[0] ?? '', [...command.slice(1), 'cloud'], {
        env: { ...env(node), ...more },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      children.add(child);
      child.once('exit', () => children.delete(child));
      await untilItSaysReady(child, node, output);
      await untilReady(clouds, node);
      return child;
    },
    async halt() {
      await Promise.all(
        [...children].map((child) => {
          child.kill('SIGTERM');
          return once(child, 'exit');
        }),
      );
    },
    async stop() {
      await clouds.halt();
      files.remove();
    },
  };
  return clouds;
}

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

export interface CallOptions {
  method?: string;
  body?: unknown;
  headers?: Record<string, string>;
}

/** Opens a request to a cloud; the certificate is verified by the test's CA. */
export function open(
  clouds: LocalClouds,
  node: LocalNode,
  path: string,
  options: CallOptions = {},
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const body = options.body === undefined ? undefined : JSON.stringify(options.body);
    const req = request(
      {
        host: node.address,
        port: clouds.ports.console,
        path,
        method: options.method ?? (body === undefined ? 'GET' : 'POST'),
        ca: clouds.files.authority.cert,
        agent: false,
        headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...options.headers },
      },
      resolve,
    );
    req.on('error', reject);
    req.end(body);
  });
}

export async function call(
  clouds: LocalClouds,
  node: LocalNode,
  path: string,
  options: CallOptions = {},
): Promise<Answer> {
  const response = await open(clouds, node, path, options);
  const chunks: Buffer[] = [];
  for await (const chunk of response) {
    chunks.push(chunk as Buffer);
  }
  return { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks).toString('utf8') };
}

/** Creates an operator, who has chosen his password himself, and logs him in. @returns the headers of his requests */
export async function operator(clouds: LocalClouds, node: LocalNode, name: string): Promise<Record<string, string>> {
  const password = `the password of ${name}`;
  const made = await call(clouds, node, '/api/v1/users', {
    headers: { authorization: `Bearer ${API_TOKEN}` },
    body: { name, role: 'operator', password, mustChangePassword: false },
  });
  if (made.status !== 201) {
    throw new Error(`no user ${name}: ${made.status} ${made.body}`);
  }
  const login = await call(clouds, node, '/api/v1/login', { body: { user: name, password } });
  if (login.status !== 200) {
    throw new Error(`no login of ${name}: ${login.status} ${login.body}`);
  }
  return { authorization: `Bearer ${(JSON.parse(login.body) as { token: string }).token}` };
}

/**
 * However short a time is named: a machine that runs tests may be busy with others. What a time is promised for is
 * measured in test/bench.
 */
const PATIENCE_MS = 45_000;

/** Waits until `look` returns something. @throws Error that names what was waited for. */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined> | T | undefined,
  timeoutMs = PATIENCE_MS,
): Promise<T> {
  const end = Date.now() + Math.max(timeoutMs, PATIENCE_MS);
  for (;;) {
    const found = await look();
    if (found !== undefined) {
      return found;
    }
    if (Date.now() > end) {
      throw new Error(`not within ${Math.max(timeoutMs, PATIENCE_MS) / 1000} s: ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
