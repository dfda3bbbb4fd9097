import { UNREACHABLE_MS } from '../bus/frames.ts';
import type { SatelliteRow } from '../store/rows.ts';
import { KEYS_SCHEMA } from '../store/satellite-states.ts';
import type { CloudContext } from './context.ts';
import { registerNode } from './satellites-register.ts';
import type { SatelliteRows } from './satellites-rows.ts';
import type { HeardSatellite, Registry } from './satellites.ts';

/** Changes gather for so long: ten thousand that fall silent at once are a handful of commands. */
const TICK_MS = 2_000;
/** As many as one command takes. */
const AT_ONCE = 2_000;

export interface StateKeeperOptions {
  /** This instance's name. */
  self: string;
  cloud: Pick<CloudContext, 'state' | 'enrolment'>;
  registry: Pick<Registry, 'ids' | 'get' | 'onChange'>;
  rows: Pick<SatelliteRows, 'get' | 'onChange'>;
  /** Whether this instance is the one that tells; two that do so at once do no harm. */
  tells(): boolean;
  /** Milliseconds for which heartbeats have been heard here without a break. */
  listeningMs(): number;
  log(line: string): void;
  now?: () => number;
}

/**
 * Brings what the heartbeats say into the state, whose history everybody can read. Every instance hears all; one of
 * them tells. Looked at are those only of whom something has changed since they agreed, so that a fleet at rest costs
 * nothing.
 */
export function keepStates({
  self,
  cloud,
  registry,
  rows,
  tells,
  listeningMs,
  log,
  now = Date.now,
}: StateKeeperOptions): { stop(): void } {
  const actor = `cloud/${self}`;
  /** Heartbeats and state may say different things of them. */
  const unsure = new Set<string>(registry.ids());
  let running = false;

  async function tell(): Promise<void> {
    const replica = cloud.state.current();
    const status = replica?.status();
    if (replica === undefined || status?.state !== 'ready' || status.schema < KEYS_SCHEMA || !tells()) {
      return;
    }
    const nodes = new Set(cloud.enrolment.nodes());
    const heard = [...unsure].flatMap((id) => registry.get(id) ?? []);
    const { differing, agreed } = compare(heard, (id) => rows.get(id)?.state, listeningMs() > UNREACHABLE_MS);
    // One that has been deleted is heard for a moment yet.
    const states = differing.filter(({ id }) => rows.get(id) !== undefined || nodes.has(id));
    for (const id of agreed) {
      unsure.delete(id);
    }
    for (const id of unsure) {
      if (registry.get(id) === undefined) {
        unsure.delete(id);
      }
    }
    for (const { id } of states) {
      if (rows.get(id) === undefined) {
        await registerNode(cloud, id, actor);
      }
    }
    const at = now();
    // What is told comes back as a change of the rows, by which it is seen to agree.
    for (let from = 0; from < states.length; from += AT_ONCE) {
      await replica.propose({
        kind: 'satellite.states',
        actor,
        args: { states: states.slice(from, from + AT_ONCE).map((s) => ({ ...s, at })) },
      });
    }
  }

  const timer = setInterval(() => {
    if (running || unsure.size === 0) {
      return;
    }
    running = true;
    tell()
      // No quorum, or it is ending: what has changed is seen again.
      .catch((error: Error) => log(`satellites: their states were not recorded: ${error.message}`))
      .finally(() => (running = false));
  }, TICK_MS);
  const ends = [
    registry.onChange((id, what) => (what === 'changed' ? unsure.add(id) : undefined)),
    rows.onChange((ids) => ids.forEach((id) => unsure.add(id))),
  ];
  return {
    stop() {
      clearInterval(timer);
      for (const end of ends) {
        end();
      }
    },
  };
}

export interface ObservedState {
  id: string;
  state: HeardSatellite['state'];
  reason: string;
}

/** What differs from the state, and who agrees with it. Who has just begun to listen knows of nobody's silence. */
export function compare(
  heard: HeardSatellite[],
  known: (id: string) => SatelliteRow['state'] | undefined,
  listensLong: boolean,
): { differing: ObservedState[]; agreed: string[] } {
  const differing: ObservedState[] = [];
  const agreed: string[] = [];
  for (const { id, state, lastSeen } of heard) {
    const before = known(id);
    if (before === state || before === 'revoked') {
      agreed.push(id);
    } else if (state === 'healthy' || listensLong) {
      differing.push({ id, state, reason: state === 'healthy' ? 'heard' : `last heard at ${lastSeen}` });
    }
  }
  return { differing, agreed };
}
