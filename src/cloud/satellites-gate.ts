import type { Replica } from '../store/replica.ts';
import type { State } from './state/state.ts';
import { NOBODY, admitted, type Admitted } from './satellites-admission.ts';

/** Without the state for so long, an instance does not know any more who has been revoked meanwhile: nobody may connect. */
const BLIND_MS = 10_000;
const TICK_MS = 1_000;

/** Who may connect to this instance's bus, by the state: nobody before it has been read, so that a starting server admits no one revoked meanwhile. */
export interface Gate {
  current(): Admitted;
  /** Looks now: the nodes have changed. */
  look(): void;
  stop(): void;
}

export interface GateOptions {
  /** This instance's name. */
  self: string;
  state: State;
  /** Milliseconds since the log of changes was seen last; 0 for an instance that is alone. */
  silentMs(): number;
  nodes(): readonly string[];
  /** The answer of `current` is another one. */
  changed(): void;
  log(line: string): void;
  now?: () => number;
}

export function createGate({ self, state, silentMs, nodes, changed, log, now = Date.now }: GateOptions): Gate {
  let current: Admitted = NOBODY;
  let seen: number | undefined;
  /** Whether all that had been acknowledged when this began to be asked has been applied here. */
  let caughtUp = false;
  let asking = false;

  /** Position alone does not tell: the log's end may not be known yet. What this instance logs itself comes after all that was acknowledged before. */
  const catchUp = (replica: Replica): void => {
    if (asking) return;
    asking = true;
    replica
      .propose({ kind: 'audit.note', actor: `cloud/${self}`, args: { resource: `cloud/${self}`, before: null, after: 'admits satellites' } })
      .then(
        () => {
          asking = false;
          caughtUp = true;
          look();
        },
        // No quorum, or it is ending: the next tick asks again.
        () => (asking = false),
      );
  };
  const look = (): void => {
    const replica = state.current();
    const status = replica?.status();
    let next: Admitted;
    const readable = replica !== undefined && status?.state === 'ready' && status.schema > 0 && silentMs() < BLIND_MS;
    if (readable && status.mode === 'cluster' && !caughtUp) catchUp(replica);
    if (readable && (status.mode === 'single' || caughtUp)) {
      seen = now();
      next = admitted(replica.db, nodes());
    } else {
      if (seen === undefined || now() - seen < BLIND_MS) return;
      seen = undefined;
      caughtUp = false;
      log('satellites: the state has not been reached for 10 s, so none may connect until it is');
      next = { ...NOBODY, revoked: current.revoked };
    }
    if (JSON.stringify(next) === JSON.stringify(current)) return;
    current = next;
    changed();
  };
  const unlisten = state.onChange((change) => {
    if (change.type === 'reset') caughtUp = false;
    if (change.type === 'reset' || change.entries.some((e) => e.kind.startsWith('satellite.'))) look();
  });
  const timer = setInterval(look, TICK_MS);
  return {
    current: () => current,
    look,
    stop() {
      unlisten();
      clearInterval(timer);
    },
  };
}
