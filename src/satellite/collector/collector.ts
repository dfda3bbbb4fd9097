import { existsSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import { loadClusterConfig } from '../../cluster-config.ts';
import type { KubeAccess } from '../../kube/client.ts';
import { SERVICE_ACCOUNT_DIR, serviceAccountAccess } from '../../kube/service-account.ts';
import { sourcesFrom, type Row, type Sources, type Table, type TableNote, type TableNotes } from '../table.ts';
import { History } from './history.ts';
import { watchKubernetes } from './kubernetes.ts';
import { createLogStore } from './log-store.ts';
import { LogTail } from './logs/tail.ts';
import { ProcessEvents } from './process-events.ts';
import { Sampler } from './samples.ts';
import { collectorSettings, type CollectorSettings } from './settings.ts';
import { openWriter, type HistoryWriter } from './writer.ts';

const PRUNE_MS = 60_000;
/** Tables that a satellite outside Kubernetes cannot have. */
const KUBERNETES_TABLES = ['pods', 'kubernetes_events'] as const;

export interface Collector {
  /** The database that statements read; undefined where none could be opened. */
  readonly file: string | undefined;
  /** Tables that are not up to date now, and why. */
  readonly notes: TableNotes;
  /**
   * Calls back when what reads the database has to be ended: its log has grown beyond its limit meanwhile, or it was
   * damaged and begun anew.
   */
  onOvertaken(callback: () => void): void;
  stop(): Promise<void>;
}

export interface CollectorOptions {
  env: NodeJS.ProcessEnv;
  node: string;
  tables: Table[];
  log(line: string): void;
}

/** A pod's own account, and the API behind the node's balancer: a Service's address leads nowhere on this cluster. */
function kubernetesAccess(env: NodeJS.ProcessEnv): KubeAccess | undefined {
  const dir = env['TERRARIUM_SERVICE_ACCOUNT'] ?? SERVICE_ACCOUNT_DIR;
  if (!existsSync(join(dir, 'token'))) {
    return undefined;
  }
  const loopback = isIPv6(env['TERRARIUM_ADDRESS'] ?? '') ? '[::1]' : '127.0.0.1';
  const server =
    env['TERRARIUM_API'] ?? `https://${loopback}:${loadClusterConfig(env['TERRARIUM_CLUSTER_CONFIG']).ports.balancer}`;
  return serviceAccountAccess(server, dir);
}

/**
 * Collects into the satellite's own database below TERRARIUM_DATA until it is stopped. What cannot be collected is said
 * in the notes of its tables; nothing of this keeps a satellite from answering about the rest.
 *
 * By the environment: TERRARIUM_COLLECTOR (settings.ts); TERRARIUM_POD_LOGS, default /var/log/pods; TERRARIUM_API,
 * default the node's balancer,
 * TERRARIUM_PODS=all for those of the whole cluster, and TERRARIUM_SERVICE_ACCOUNT, a folder with token and ca.crt;
 * TERRARIUM_PROC, TERRARIUM_SYS, TERRARIUM_ROOT as for live tables.
 * @throws Failure `bad-collector-settings`
 */
export function startCollector({ env, node, tables, log }: CollectorOptions): Collector {
  const settings = collectorSettings(env['TERRARIUM_COLLECTOR']);
  const notes: TableNotes = {};
  const note = (table: string, value: TableNote | undefined): void => {
    if (value === undefined) {
      delete notes[table];
    } else {
      notes[table] = value;
    }
  };
  const collected = tables.filter((t) => t.kind !== 'live');
  const file = join(env['TERRARIUM_DATA'] ?? '/var/lib/terrarium', 'satellite/state/history.db');
  let writer: HistoryWriter;
  try {
    writer = openWriter(file, () => History.open(file, collected, settings.limits, settings.maxFileBytes), log);
  } catch (error) {
    const reason = `The satellite's database ${file} cannot be opened: ${(error as Error).message}.`;
    log(reason);
    for (const table of collected) {
      note(table.name, { state: 'unavailable', reason });
    }
    return { file: undefined, notes, onOvertaken: () => undefined, stop: async () => undefined };
  }

  const sample = createSampling(writer, sourcesFrom(env, tables), settings.maxLogBytes);
  const prune = (): void => void writer.attempt(() => writer.history().prune(Date.now()));
  prune();
  sample();
  const timers = [setInterval(sample, settings.sampleMs), setInterval(prune, PRUNE_MS)];

  const logLimits = settings.limits['container_logs'] ?? { maxAgeMs: 0, maxBytes: 0 };
  const tail = new LogTail({
    root: env['TERRARIUM_POD_LOGS'] ?? '/var/log/pods',
    store: createLogStore(writer, prune),
    maxAgeMs: logLimits.maxAgeMs,
    now: Date.now,
    state: (reason) => note('container_logs', reason === undefined ? undefined : { state: 'unavailable', reason }),
  });
  tail.start();

  const stopping = new AbortController();
  const watching = collectKubernetes({ env, node, writer, settings, note, log, signal: stopping.signal });
  return {
    file,
    notes,
    onOvertaken: writer.onOvertaken,
    async stop() {
      for (const timer of timers) {
        clearInterval(timer);
      }
      tail.stop();
      stopping.abort();
      await watching;
      writer.history().close();
    },
  };
}

/** @returns what takes a sample of the machine and stores it */
function createSampling(writer: HistoryWriter, sources: Sources, maxLogBytes: number): () => void {
  const sampler = new Sampler(sources);
  const processes = new ProcessEvents(sources.proc);
  return () => {
    const now = Date.now();
    const rows: Record<string, Row[]> = {
      ...sampler.sample(now, performance.now()),
      process_events: processes.look(now),
    };
    writer.write(() => {
      for (const [table, more] of Object.entries(rows)) {
        writer.history().append(table, more);
      }
    });
    if (writer.history().size().wal > maxLogBytes) {
      writer.overtake();
    }
  };
}

interface KubernetesParts {
  env: NodeJS.ProcessEnv;
  node: string;
  writer: HistoryWriter;
  settings: CollectorSettings;
  note(table: string, value: TableNote | undefined): void;
  log(line: string): void;
  signal: AbortSignal;
}

/** Keeps pods and events until the signal, where this satellite may ask Kubernetes for them. Never rejects. */
function collectKubernetes({ env, node, writer, settings, note, log, signal }: KubernetesParts): Promise<void> {
  let access: KubeAccess | undefined;
  try {
    access = kubernetesAccess(env);
  } catch (error) {
    log(`Kubernetes: ${(error as Error).message}`);
  }
  const { history, write } = writer;
  if (access === undefined) {
    write(() => history().replace('pods', []));
    for (const table of KUBERNETES_TABLES) {
      note(table, {
        state: 'unavailable',
        reason: 'This satellite does not run in a pod of Kubernetes, or may not speak to its API.',
      });
    }
    return Promise.resolve();
  }
  return watchKubernetes({
    access,
    node: env['TERRARIUM_PODS'] === 'all' ? undefined : node,
    store: {
      putPods: (rows) => void write(() => history().replace('pods', rows)),
      addEvents: (rows) => void write(() => history().append('kubernetes_events', rows)),
      knownEvents: () =>
        history().all('SELECT uid, count, max(unix_ms) AS unix_ms FROM kubernetes_events GROUP BY uid'),
    },
    maxAgeMs: settings.limits['kubernetes_events']?.maxAgeMs ?? 0,
    now: Date.now,
    state: (table, reason) => note(table, reason === undefined ? undefined : { state: 'stale', reason }),
    signal,
  });
}
