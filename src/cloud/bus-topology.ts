import type { NodeInfo } from '../api/overview.ts';
import { clientUsers, type Topology } from '../bus/config.ts';
import type { BusServer } from '../bus/server.ts';
import type { Facts } from '../store/facts.ts';
import { NOBODY } from './satellites-admission.ts';
import type { Gate } from './satellites-gate.ts';
import type { Registry } from './satellites.ts';
import { loadTopology, saveTopology, savedTopology, topologyOf } from './topology.ts';

/** Nodes come and go in bunches. */
const SETTLE_MS = 1_000;

export interface BusTopologyOptions {
  self: { name: string; address: string };
  facts: Facts;
  registry: Pick<Registry, 'refuse' | 'keepOnly'>;
  /** Both are made with what this one tells, so they are asked for when they are needed. */
  bus(): Pick<BusServer, 'apply' | 'topology'>;
  gate(): Pick<Gate, 'current' | 'look'>;
  /** Cuts the connections of all but these users. @returns how many; undefined while the server cannot be asked */
  cut(users: ReturnType<typeof clientUsers>): Promise<number | undefined>;
  /** The server has taken another topology. */
  applied(): void;
  stopping(): boolean;
  log(line: string): void;
}

/** Keeps this instance's nats-server in line with the cluster's nodes and with who of the satellites may connect. */
export interface BusTopology {
  /** By the cluster's nodes; who of their satellites may connect is the gate's answer. */
  members(): Topology;
  /** What the server starts with: the members, and no satellite. */
  initial(): Topology;
  /**
   * Whether it has ever been known who belongs to the cluster: an instance that only supposes to be alone must not
   * begin a history of its own.
   */
  known(): boolean;
  /** By Kubernetes, since this instance started. */
  nodesKnown(): boolean;
  onNodes(nodes: NodeInfo[]): void;
  /** Brings the server in line with nodes and satellites as they are when its turn comes; tries until it has worked. */
  reconfigure(): void;
  /** Takes over nothing more. */
  halt(): void;
  /** Resolves when what was under way at `halt` has ended. */
  settled(): Promise<void>;
}

/** Begins with the topology as last known. */
export function createBusTopology(options: BusTopologyOptions): BusTopology {
  const { self, facts, registry, bus, gate, applied, stopping, log } = options;
  let known = savedTopology(facts, self) !== undefined;
  let members = loadTopology(facts, self);
  let nodesKnown = false;
  let waiting = false;
  let again: NodeJS.Timeout | undefined;
  let configured: Promise<void> = Promise.resolve();
  let sweeping: NodeJS.Timeout | undefined;
  let settle: NodeJS.Timeout | undefined;

  const sweep = async (topology: Topology): Promise<void> => {
    const cut = await options.cut(clientUsers(topology));
    if (cut !== undefined && cut > 0) {
      log(`bus: ${cut} connections cut`);
    }
  };
  const configure = async (): Promise<void> => {
    waiting = false;
    if (stopping()) {
      return;
    }
    const { revoked, until: _until, known: stateKnown, ...admitted } = gate().current();
    const topology: Topology = { ...members, ...admitted };
    registry.refuse(new Set(revoked));
    if (nodesKnown && stateKnown) {
      registry.keepOnly(new Set([...members.satellites, ...admitted.enrolled.map((s) => s.id)]));
    }
    try {
      await bus().apply(topology);
      applied();
      await sweep(topology);
      // Who was just logging in while the server reloaded.
      clearTimeout(sweeping);
      sweeping = setTimeout(() => void sweep(bus().topology), SETTLE_MS);
    } catch (error) {
      log(`bus: the new topology was not taken: ${(error as Error).message}`);
      again = setTimeout(reconfigure, SETTLE_MS);
    }
  };
  const reconfigure = (): void => {
    clearTimeout(again);
    if (waiting) {
      return;
    }
    waiting = true;
    configured = configured.then(configure);
  };

  return {
    members: () => members,
    initial: () => ({ ...members, ...NOBODY }),
    known: () => known,
    nodesKnown: () => nodesKnown,
    reconfigure,
    onNodes(nodes) {
      clearTimeout(settle);
      settle = setTimeout(() => {
        members = topologyOf(nodes, self, members);
        saveTopology(facts, members);
        known = true;
        nodesKnown = true;
        gate().look();
        reconfigure();
      }, SETTLE_MS);
    },
    halt() {
      clearTimeout(settle);
      clearTimeout(again);
    },
    async settled() {
      await configured;
      clearTimeout(sweeping);
    },
  };
}
