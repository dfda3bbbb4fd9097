import type { NatsConnection } from '@nats-io/transport-node';
import type { Topology } from '../../bus/config.ts';
import { Failure } from '../../errors.ts';
import type { ClusterParts } from '../../store/cluster/parts.ts';
import { openReplica } from '../../store/open.ts';
import type { ChangeEvent, Replica, ReplicaStatus } from '../../store/replica.ts';
import type { Space } from '../../store/space.ts';
import { createListeners } from '../listeners.ts';

/**
 * The replicated state of this instance: opened as soon as it is known how many instances there are, as one of them or
 * alone.
 */
export interface State {
  /** @throws Failure `starting` while it is not open, or empty. */
  replica(): Replica;
  /** As `replica`; undefined while there is none to read from. */
  current(): Replica | undefined;
  /** Calls back after each commit, and as a `reset` when another replica is open. @returns how to end it. */
  onChange(listener: (change: ChangeEvent) => void): () => void;
  /** Why nothing can be read or changed here; undefined when all is well. */
  notReady(): string | undefined;
  /** What is known of the cluster now; opens, or goes from one instance to several. Returns at once. */
  follow(topology: Topology, nc: NatsConnection | undefined): void;
  stop(): Promise<void>;
}

export interface StateOptions {
  self: string;
  /** Folder of its own. */
  dir: string;
  /** Free space, asked before each change. */
  space(): Space;
  log(line: string): void;
  /** What makes this instance one of several. */
  cluster(nc: NatsConnection, instances: () => string[]): ClusterState;
}

/** The parts of a replica, and when its bus answered last. */
export interface ClusterState {
  parts: ClusterParts;
  /** Milliseconds since the log was seen last. */
  silentMs(): number;
}

type Mode = 'single' | 'cluster';

/** Elections take up to 9 s, but what asks every second should not call a lost quorum ready for so long. */
const SILENT_MS = 5_000;
const RETRY_MS = 5_000;
const SCHEMA = 4;

export function createState(options: StateOptions): State {
  const { self, dir, space, log } = options;
  const listeners = createListeners<[change: ChangeEvent]>();
  let replica: Replica | undefined;
  let mode: Mode | undefined;
  /** What it shall be, and by which connection; it may change before it is opened. */
  let wanted: { mode: Mode; nc: NatsConnection | undefined } | undefined;
  let cluster: ClusterState | undefined;
  let names: string[] = [];
  let stopped = false;
  /** Whether the tables are there: an instance of several is empty until it has found the others. */
  let usable = false;
  let failure: string | undefined;
  let queue: Promise<void> = Promise.resolve();
  let retry: NodeJS.Timeout | undefined;

  const tell = (change: ChangeEvent): void => {
    if (change.type === 'reset') {
      usable = false;
    }
    listeners.tell(change);
  };

  const hasTables = (of: Replica): boolean => (usable ||= of.status().schema >= SCHEMA);

  async function open(): Promise<void> {
    if (stopped || wanted === undefined || mode === wanted.mode) {
      return;
    }
    const { mode: next, nc } = wanted;
    const old = replica;
    replica = undefined;
    await old?.stop();
    try {
      cluster = next === 'cluster' && nc !== undefined ? options.cluster(nc, () => names) : undefined;
      const parts = cluster === undefined ? {} : { cluster: cluster.parts };
      replica = await openReplica({ self, dir, space, log, ...parts });
      mode = next;
      failure = undefined;
      replica.onChange(tell);
      log(`state: open, ${next === 'single' ? 'one instance' : `one of ${names.length} instances`}`);
      tell({ type: 'reset', position: replica.position() });
    } catch (error) {
      mode = undefined;
      failure = textOf(error as Error);
      log(`state: it cannot be opened: ${failure}`);
      retry = setTimeout(() => (queue = queue.then(open)), RETRY_MS);
    }
  }

  return {
    replica() {
      if (replica === undefined || !hasTables(replica)) {
        throw notUsable(self, replica?.status(), failure);
      }
      return replica;
    },
    current: () => (replica !== undefined && hasTables(replica) ? replica : undefined),
    onChange: listeners.add,
    notReady: () => (replica === undefined ? notOpenReason(failure) : notReadyReason(replica.status(), cluster)),
    follow(topology, nc) {
      names = topology.servers.map((s) => s.name);
      const next: Mode = topology.jetstream || names.length > 1 ? 'cluster' : 'single';
      // One that has been several stays so: who was left out may come back with what it has.
      if ((next === 'cluster' && nc === undefined) || wanted?.mode === next || wanted?.mode === 'cluster') {
        return;
      }
      wanted = { mode: next, nc };
      queue = queue.then(open);
    },
    async stop() {
      stopped = true;
      clearTimeout(retry);
      await queue;
      const last = replica;
      replica = undefined;
      await last?.stop();
    },
  };
}

const UNKNOWN_CLUSTER =
  'This instance does not know yet what belongs to the cluster: neither the Kubernetes API nor the bus has been ' +
  'reached since it was installed.';

/** Why nothing can be read: the replica is not open, or has no tables yet. */
function notUsable(self: string, status: ReplicaStatus | undefined, failure: string | undefined): Failure {
  if (status === undefined) {
    return new Failure('starting', failure ?? UNKNOWN_CLUSTER, { host: self });
  }
  const reason = status.reason ?? 'it waits for the others';
  return new Failure('starting', `This instance has no state yet: ${reason}.`, { host: self });
}

const notOpenReason = (failure: string | undefined): string =>
  failure === undefined ? 'The state is not open yet.' : `The state cannot be opened: ${failure}.`;

const textOf = (error: Error): string =>
  [error.message, ...(error instanceof Failure && error.remedy !== undefined ? [error.remedy] : [])].join(' ');

/** Why an open replica can read or change nothing; undefined when all is well. */
function notReadyReason(status: ReplicaStatus, cluster: ClusterState | undefined): string | undefined {
  const { state, reason, behind, schema } = status;
  if (state !== 'ready') {
    return `The state is ${state}${reason === undefined ? '' : `: ${reason}`}`;
  }
  if (schema < SCHEMA) {
    return 'The state waits for all instances to run this release.';
  }
  if (cluster !== undefined && cluster.silentMs() > SILENT_MS) {
    return `The log of changes has no quorum${reason === undefined ? '.' : `: ${reason}`}`;
  }
  return behind >= 100 ? `The state is ${behind} changes behind.` : undefined;
}
