import { existsSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import { loadClusterConfig } from '../../cluster-config.ts';
import type { KubeAccess } from '../../kube/client.ts';
import { SERVICE_ACCOUNT_DIR, serviceAccountAccess } from '../../kube/service-account.ts';
import { sourcesFrom, type Row, type Table, type TableNote, type TableNotes } from '../table.ts';
import { History, isDamage, removeDatabase } from './history.ts';
import { watchKubernetes } from './kubernetes.ts';
import type { Position } from './logs/file.ts';
import { LogTail, type LogStore } from './logs/tail.ts';
import { ProcessEvents } from './process-events.ts';
import { Sampler } from './samples.ts';
import { collectorSettings } from './settings.ts';

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
  const open = (): History => History.open(file, collected, settings.limits, settings.maxFileBytes);
  let history: History;
  try {
    history = open();
  } catch (error) {
    const reason = `The satellite's database ${file} cannot be opened: ${(error as Error).message}.`;
    log(reason);
    for (const table of collected) {
      note(table.name, { state: 'unavailable', reason });
    }
    return { file: undefined, notes, onOvertaken: () => undefined, stop: async () => undefined };
  }

  let overtaken = (): void => undefined;
  let failing = '';
  /** A full disk must not end the satellite, nor fill its log; a damaged file is begun anew. */
  const attempt = (action: () => void): boolean => {
    try {
      action();
      if (failing !== '') {
        log('the database can be written again');
      }
      failing = '';
      return true;
    } catch (error) {
      const { message } = error as Error;
      if (failing !== message) {
        log(`the database cannot be written: ${message}`);
      }
      failing = message;
      if (isDamage(error)) {
        beginAnew();
      }
      return false;
    }
  };
  const beginAnew = (): void => {
    try {
      history.close();
      removeDatabase(file);
      history = open();
      // Those that have read the old file until now.
      overtaken();
    } catch (error) {
      log(`the database cannot be begun anew: ${(error as Error).message}`);
    }
  };
  const write = (action: () => void): boolean => attempt(() => history.transaction(action));

  const sources = sourcesFrom(env, tables);
  const sampler = new Sampler(sources);
  const processes = new ProcessEvents(sources.proc);
  const sample = (): void => {
    const now = Date.now();
    const rows: Record<string, Row[]> = {
      ...sampler.sample(now, performance.now()),
      process_events: processes.look(now),
    };
    write(() => {
      for (const [table, more] of Object.entries(rows)) {
        history.append(table, more);
      }
    });
    if (history.size().wal > settings.maxLogBytes) {
      overtaken();
    }
  };
  const prune = (): void => void attempt(() => history.prune(Date.now()));
  prune();
  sample();
  const timers = [setInterval(sample, settings.sampleMs), setInterval(prune, PRUNE_MS)];

  const logLimits = settings.limits['container_logs'] ?? { maxAgeMs: 0, maxBytes: 0 };
  let unpruned = 0;
  const logStore: LogStore = {
    position: (path) =>
      history.all<Position>('SELECT identity, position, partial FROM log_positions WHERE file = ?', path)[0],
    save(rows, path, { identity, position, partial }) {
      const done = write(() => {
        history.append('container_logs', rows);
        history.run(
          'INSERT OR REPLACE INTO log_positions (file, identity, position, partial) VALUES (?, ?, ?, ?)',
          path,
          identity,
          position,
          partial,
        );
      });
      unpruned += rows.length;
      if (unpruned >= 10_000) {
        unpruned = 0;
        prune();
      }
      return done;
    },
    keepOnly(exists) {
      const gone = history.all<{ file: string }>('SELECT file FROM log_positions').filter((p) => !exists(p.file));
      write(() => {
        for (const p of gone) {
          history.run('DELETE FROM log_positions WHERE file = ?', p.file);
        }
      });
    },
  };
  const tail = new LogTail({
    root: env['TERRARIUM_POD_LOGS'] ?? '/var/log/pods',
    store: logStore,
    maxAgeMs: logLimits.maxAgeMs,
    now: Date.now,
    state: (reason) => note('container_logs', reason === undefined ? undefined : { state: 'unavailable', reason }),
  });
  tail.start();

  const stopping = new AbortController();
  let access: KubeAccess | undefined;
  try {
    access = kubernetesAccess(env);
  } catch (error) {
    log(`Kubernetes: ${(error as Error).message}`);
  }
  let watching: Promise<void> = Promise.resolve();
  if (access === undefined) {
    write(() => history.replace('pods', []));
    for (const table of KUBERNETES_TABLES) {
      note(table, {
        state: 'unavailable',
        reason: 'This satellite does not run in a pod of Kubernetes, or may not speak to its API.',
      });
    }
  } else {
    watching = watchKubernetes({
      access,
      node: env['TERRARIUM_PODS'] === 'all' ? undefined : node,
      store: {
        putPods: (rows) => void write(() => history.replace('pods', rows)),
        addEvents: (rows) => void write(() => history.append('kubernetes_events', rows)),
        knownEvents: () =>
          history.all('SELECT uid, count, max(unix_ms) AS unix_ms FROM kubernetes_events GROUP BY uid'),
      },
      maxAgeMs: settings.limits['kubernetes_events']?.maxAgeMs ?? 0,
      now: Date.now,
      state: (table, reason) => note(table, reason === undefined ? undefined : { state: 'stale', reason }),
      signal: stopping.signal,
    });
  }
  return {
    file,
    notes,
    onOvertaken(callback) {
      overtaken = callback;
    },
    async stop() {
      for (const timer of timers) {
        clearInterval(timer);
      }
      tail.stop();
      stopping.abort();
      await watching;
      history.close();
    },
  };
}
