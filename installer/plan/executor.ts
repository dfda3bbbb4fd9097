import { closeSync, openSync, writeSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { EXIT, Failure, failureData, isErrno } from '../../src/errors.ts';
import { hostPort } from '../../src/host-port.ts';
import { VERSION } from '../../src/version.ts';
import { controlPlanes, type ClusterSpec } from '../cluster/spec.ts';
import type { OperationFiles } from './files.ts';
import { openJournal, readJournal } from './journal.ts';
import { leafRuns, phaseContext, type LeafRuns } from './leaf-runs.ts';
import { makeFolder } from './lines.ts';
import type { LoadPhase, LoadProcedure } from './load.ts';
import { ALIVE_MS, MAX_BODY, NODE_GROUP, type ExecutorState, type LeafMessage } from './messages.ts';
import { leafRequestSchema, procedureRequestSchema, type ExecutorConfig } from './schema.ts';
import { details, phaseFailure } from './sentence.ts';

export interface TlsFiles {
  ca: string;
  cert: string;
  key: string;
}

export interface ExecutorOptions {
  operation: string;
  config: ExecutorConfig;
  /** PEM. */
  tls: TlsFiles;
  files: OperationFiles;
  loadPhase: LoadPhase;
  loadProcedure: LoadProcedure;
  /** Aborting it aborts the running phases and ends the executor. */
  signal: AbortSignal;
  /** Ends when nobody has asked for anything so long, milliseconds; default 6 h. */
  idleMs?: number;
}

export interface Executor {
  /**
   * Resolves when the coordinator asked to finish, the signal was aborted, or nobody asked for anything for `idleMs`.
   */
  done: Promise<void>;
}

const IDLE_MS = 6 * 60 * 60 * 1000;
const KEEP_MS = 10 * 60 * 1000;
/** How long an aborted phase may take to come to its end, milliseconds. */
const ABORT_MS = 5000;

/**
 * Starts serving the phases of this node by HTTPS, to whoever has the certificate of a control plane of this cluster.
 * @throws Failure `executor-listen` where the address or port cannot be had.
 */
export async function serveExecutor(options: ExecutorOptions): Promise<Executor> {
  const { config, files, operation } = options;
  const node = config.node;
  makeFolder(files.dir);
  const journal = openJournal(files.executorJournal(node.name));
  const log = openLog(files.log(node.name));
  const abort = new AbortController();
  const context = { spec: config.spec, node, log: log.line, signal: abort.signal };
  const runs = leafRuns({ ...context, loadPhase: options.loadPhase, journal });
  let finish: () => void = () => undefined;
  const finished = new Promise<void>((resolve) => (finish = resolve));
  let busy = 0;
  let lastRequest = Date.now();

  const serving: Serving = { options, context, runs, finish: () => finish() };
  const server = createServer(
    { ...options.tls, requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.3' },
    (request, response) => {
      busy += 1;
      route(serving, request, response)
        .catch((error: unknown) => {
          log.line(`${request.method ?? ''} ${request.url ?? ''} refused: ${details(error)}`);
          if (!response.headersSent) {
            answer(response, error instanceof Failure && error.code === 'not-allowed' ? 403 : 400, {
              host: node.name,
              ...failureData(error),
            });
          } else {
            response.destroy();
          }
        })
        .finally(() => {
          busy -= 1;
          lastRequest = Date.now();
        });
    },
  );
  // Longer than any pause between two leaves, so that few connections are made twice.
  server.keepAliveTimeout = KEEP_MS;
  const address = config.listen ?? node.address;
  const port = config.spec.ports.executor;
  await listen(server, address, port, node.name);
  log.line(
    `executor of ${operation} (${VERSION}) listens on ${hostPort((server.address() as AddressInfo).address, port)}`,
  );

  const idleMs = options.idleMs ?? IDLE_MS;
  const idle = setInterval(
    () => {
      if (busy === 0 && runs.running().length === 0 && Date.now() - lastRequest > idleMs) {
        finish();
      }
    },
    Math.min(idleMs, 60_000),
  );
  const stop = (): void => abort.abort(options.signal.reason);
  if (options.signal.aborted) {
    stop();
  }
  options.signal.addEventListener('abort', stop, { once: true });

  const end = async (): Promise<void> => {
    await Promise.race([
      finished,
      new Promise((resolve) => abort.signal.addEventListener('abort', resolve, { once: true })),
    ]);
    clearInterval(idle);
    const deadline = Date.now() + ABORT_MS;
    while (runs.running().length > 0 && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    server.close();
    server.closeAllConnections();
    log.line('executor ends');
    log.close();
    journal.close();
  };
  return { done: end() };
}

/** What answers a coordinator's requests. */
interface Serving {
  options: ExecutorOptions;
  /** What the phases and procedures of this node run in. */
  context: Parameters<typeof phaseContext>[0];
  runs: LeafRuns;
  /** Ends the executor. */
  finish: () => void;
}

async function route(serving: Serving, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { options, runs, finish } = serving;
  const { config, files, operation } = options;
  const node = config.node;
  checkPeer(request, config);
  const what = `${request.method ?? ''} ${request.url ?? ''}`;
  if (what === 'GET /v1/state') {
    const leaves = Object.fromEntries(
      [...readJournal(files.executorJournal(node.name))].map(([id, r]) => [id, r.state]),
    );
    answer(response, 200, {
      operation,
      node: node.name,
      version: VERSION,
      running: runs.running(),
      leaves,
    } satisfies ExecutorState);
  } else if (what === 'POST /v1/leaf') {
    const leaf = parse(leafRequestSchema, await readBody(request), operation);
    await stream(response, (tell) => runs.attach(leaf, tell));
  } else if (what === 'POST /v1/procedure') {
    await procedure(serving, await readBody(request), response);
  } else if (what === 'POST /v1/finish') {
    const running = runs.running();
    if (running.length > 0) {
      throw new Failure('leaf-running', `${node.name} is still at ${running.map((r) => r.leaf).join(', ')}.`, {
        host: node.name,
      });
    }
    response.once('close', finish);
    answer(response, 200, {});
  } else {
    throw new Failure('not-found', `An executor has no ${what}.`, { host: node.name });
  }
}

async function procedure({ options, context }: Serving, body: unknown, response: ServerResponse): Promise<void> {
  const request = parse(procedureRequestSchema, body, options.operation);
  await stream(response, async (tell) => {
    try {
      const loaded = await options.loadProcedure(request.name);
      tell({ type: 'result', value: await loaded.run(phaseContext(context, request.name, tell), request.args) });
    } catch (error) {
      context.log(`${request.name} failed: ${details(error)}`);
      tell({ type: 'error', error: phaseFailure(error, request.name, context.node.name) });
    }
  });
}

/** Answers by one line of JSON for each message, and by a sign of life between them. */
async function stream(
  response: ServerResponse,
  work: (tell: (message: LeafMessage) => void) => Promise<void>,
): Promise<void> {
  response.writeHead(200, { 'content-type': 'application/x-ndjson' });
  const tell = (message: LeafMessage): void => {
    if (!response.destroyed) {
      response.write(`${JSON.stringify(message)}\n`);
    }
  };
  tell({ type: 'alive' });
  const alive = setInterval(() => tell({ type: 'alive' }), ALIVE_MS);
  try {
    await work(tell);
  } finally {
    clearInterval(alive);
    response.end();
  }
}

/**
 * The node's log file. It stays open, since an undo may remove its folder; what cannot be written to it is lost, not an
 * error of the phase.
 */
function openLog(path: string): { line(text: string): void; close(): void } {
  const fd = openSync(path, 'a', 0o600);
  let open = true;
  return {
    line(text) {
      try {
        if (open) {
          writeSync(fd, `${new Date().toISOString()} ${text}\n`);
        }
      } catch {
        // The disk is full: the journal will say so.
      }
    },
    close() {
      open = false;
      closeSync(fd);
    },
  };
}

function listenReason(cause: unknown): string {
  if (isErrno(cause, 'EADDRINUSE')) {
    return 'another program has it';
  }
  return isErrno(cause, 'EADDRNOTAVAIL') ? 'the machine has no such address' : (cause as Error).message;
}

async function listen(
  server: ReturnType<typeof createServer>,
  address: string,
  port: number,
  host: string,
): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, address, resolve);
    });
  } catch (cause) {
    const why = listenReason(cause);
    throw new Failure('executor-listen', `The executor cannot listen on ${hostPort(address, port)}: ${why}.`, {
      host,
      remedy: 'Free the port, or give another one as ports.executor in cluster.yaml.',
      cause,
    });
  }
}

function checkPeer(request: IncomingMessage, { spec, node }: ExecutorConfig): void {
  const subject = (request.socket as TLSSocket).getPeerCertificate().subject as
    | { O?: string | string[]; CN?: string | string[] }
    | undefined;
  if (mayCoordinate(spec, [subject?.O ?? []].flat(), [subject?.CN ?? []].flat())) {
    return;
  }
  throw new Failure('not-allowed', 'Only the control planes of this cluster may ask an executor for anything.', {
    host: node.name,
  });
}

/**
 * Whether the holder of a certificate with these groups and names may ask an executor: by its procedures one gets the
 * keys of every CA, so that a worker's certificate is not enough.
 */
export function mayCoordinate(spec: Pick<ClusterSpec, 'nodes'>, groups: string[], names: string[]): boolean {
  return groups.includes(NODE_GROUP) && names.length === 1 && controlPlanes(spec).some((n) => n.name === names[0]);
}

function parse<T extends { operation: string }>(
  schema: { safeParse(value: unknown): { success: true; data: T } | { success: false; error: Error } },
  body: unknown,
  operation: string,
): T {
  const parsed = schema.safeParse(body);
  if (!parsed.success) {
    throw new Failure('bad-request', `The executor does not understand the request: ${parsed.error.message}.`, {
      exitCode: EXIT.usage,
    });
  }
  if (parsed.data.operation !== operation) {
    throw new Failure(
      'operation-running',
      `Operation ${operation} is under way on this machine, so ${parsed.data.operation} cannot be.`,
      {
        remedy: `Let it end, or stop it with \`systemctl stop terrarium-executor\` there, then run the command again.`,
      },
    );
  }
  return parsed.data;
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY) {
      throw new Failure('bad-request', `The request is larger than ${MAX_BODY} bytes.`);
    }
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown;
  } catch (cause) {
    throw new Failure('bad-request', 'The request is no JSON.', { cause });
  }
}

function answer(response: ServerResponse, status: number, value: object): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(value));
}
