import { UNREACHABLE_MS } from '../bus/frames.ts';
import type { SatelliteRow } from '../store/rows.ts';
import { KEYS_SCHEMA } from '../store/satellite-states.ts';
import type { CloudContext } from './context.ts';
import type { HeardSatellite, Registry } from './satellites.ts';
import { registerNode } from './satellites-register.ts';
import { many } from './state/read.ts';

/** Changes gather for so long: ten thousand that fall silent at once are a handful of commands. */
const TICK_MS = 2_000;
/** As many as one command takes. */
const AT_ONCE = 2_000;

export interface StateKeeperOptions {
  /** This instance's name. */
  self: string;
  cloud: Pick<CloudContext, 'state' | 'enrolment'>;
  registry: Registry;
  /** Whether this instance is the one that tells; two that do so at once do no harm. */
  tells(): boolean;
  /** Milliseconds for which heartbeats have been heard here without a break. */
  listeningMs(): number;
  log(line: string): void;
  now?: () => number;
}

/** Brings what the heartbeats say into the state, whose history everybody can read. Every instance hears all; one of them tells. */
export function keepStates({ self, cloud, registry, tells, listeningMs, log, now = Date.now }: StateKeeperOptions): { stop(): void } {
  const actor = `cloud/${self}`;
  /** As read last. */
  let read: Map<string, SatelliteRow['state']> | undefined;
  let running = false;

  async function tell(): Promise<void> {
    const replica = cloud.state.current();
    const status = replica?.status();
    if (replica === undefined || status?.state !== 'ready' || status.schema < KEYS_SCHEMA || !tells()) return;
    read ??= new Map(many<Pick<SatelliteRow, 'id' | 'state'>>(replica.db, 'SELECT id, state FROM satellites').map((row) => [row.id, row.state]));
    const known = read;
    const nodes = new Set(cloud.enrolment.nodes());
    // One that has been deleted is heard for a moment yet.
    const states = changes(registry.all(), known, listeningMs() > UNREACHABLE_MS).filter(({ id }) => known.has(id) || nodes.has(id));
    for (const { id } of states) if (!known.has(id)) await registerNode(cloud, id, actor);
    const at = now();
    for (let from = 0; from < states.length; from += AT_ONCE) {
      await replica.propose({ kind: 'satellite.states', actor, args: { states: states.slice(from, from + AT_ONCE).map((s) => ({ ...s, at })) } });
    }
  }

  const timer = setInterval(() => {
    if (running) return;
    running = true;
    tell()
      // No quorum, or it is ending: what has changed is seen again.
      .catch((error: Error) => log(`satellites: their states were not recorded: ${error.message}`))
      .finally(() => (running = false));
  }, TICK_MS);
  const end = cloud.state.onChange((change) => {
    if (change.type === 'reset' || change.entries.some((e) => e.kind.startsWith('satellite.'))) read = undefined;
  });
  return {
    stop() {
      clearInterval(timer);
      end();
    },
  };
}

export interface ObservedState {
  id: string;
  state: HeardSatellite['state'];
  reason: string;
}

/** What differs from the state. Who has just begun to listen knows of nobody's silence. */
export function changes(heard: HeardSatellite[], known: ReadonlyMap<string, SatelliteRow['state']>, listensLong: boolean): ObservedState[] {
  return heard
    .filter(({ id, state }) => known.get(id) !== state && known.get(id) !== 'revoked' && (state === 'healthy' || listensLong))
    .map(({ id, state, lastSeen }) => ({ id, state, reason: state === 'healthy' ? 'heard' : `last heard at ${lastSeen}` }));
}
