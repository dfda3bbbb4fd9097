import type { RefObject } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Overview } from '../api/overview.ts';
import type { ChangeLine, FleetLine, Topic } from '../api/watch.ts';
import { logout, whoAmI } from './api.ts';
import { may, type Me } from './logic/access.ts';
import type { Console } from './parts/context.ts';
import { openWatch, type Watch } from './watch.ts';

const SAID_MS = 6_000;
const ENDED = 'The session has ended. Log in again.';

function topicsOf(me: Me): Topic[] {
  return [
    'overview',
    'fleet',
    'saved-queries',
    'schedules',
    'satellites',
    ...(may(me, 'admin') ? (['users', 'tokens', 'sessions', 'audit'] as const) : []),
  ];
}

/** Parts of the page that want to know what changes. */
interface Listeners {
  topics: Map<Topic, Set<(line?: ChangeLine) => void>>;
  fleet: Set<(line?: FleetLine) => void>;
  /** Ids of satellites whose heartbeats are of interest. */
  following: Set<readonly string[]>;
}

function followedOf({ following }: Listeners): string[] {
  return [...following].flat();
}

/** Has all of them read anew: changes may have been missed. */
function tellAll({ topics, fleet }: Listeners): void {
  for (const all of topics.values()) {
    for (const listener of all) {
      listener();
    }
  }
  for (const listener of fleet) {
    listener();
  }
}

function subscriptions(
  listeners: Listeners,
  watching: RefObject<Watch | undefined>,
): Pick<Console, 'onChange' | 'onFleet' | 'follow'> {
  return {
    onChange(topic, listener) {
      const all = listeners.topics.get(topic) ?? new Set();
      listeners.topics.set(topic, all.add(listener));
      return () => all.delete(listener);
    },
    onFleet(listener) {
      listeners.fleet.add(listener);
      return () => listeners.fleet.delete(listener);
    },
    follow(ids) {
      const tell = (): void => watching.current?.follow(followedOf(listeners));
      listeners.following.add(ids);
      tell();
      return () => {
        listeners.following.delete(ids);
        tell();
      };
    },
  };
}

/** What the console shows to somebody who is signed in. */
export interface Session {
  overview: Overview | undefined;
  /** Whether changes are told at once. */
  live: boolean;
  /** A sentence about what has just been done. */
  said: string | undefined;
  shared: Console;
  leave(): void;
}

/**
 * Watches the cloud for somebody who is signed in, until the session ends.
 * @param onSignedOut it has ended, with what is to be said about it
 * @param onChanged somebody else is signed in, or has another role
 */
export function useSession(me: Me, onSignedOut: (message?: string) => void, onChanged: (me: Me) => void): Session {
  const [overview, setOverview] = useState<Overview | undefined>(undefined);
  const [live, setLive] = useState(true);
  const [said, setSaid] = useState<string | undefined>(undefined);
  const { current: listeners } = useRef<Listeners>({ topics: new Map(), fleet: new Set(), following: new Set() });
  const watching = useRef<Watch>(undefined);
  const saying = useRef<ReturnType<typeof setTimeout>>(undefined);
  /**
   * Whether this is over. What is answered afterwards counts for nothing: the login page must not begin anew while
   * somebody types.
   */
  const gone = useRef(false);
  const end = (message?: string): void => {
    if (gone.current) {
      return;
    }
    gone.current = true;
    onSignedOut(message);
  };

  const shared = useMemo(
    (): Console => ({
      me,
      signedOut: () => end(ENDED),
      say(text) {
        setSaid(text);
        clearTimeout(saying.current);
        saying.current = setTimeout(() => setSaid(undefined), SAID_MS);
      },
      ...subscriptions(listeners, watching),
    }),
    [me],
  );

  useEffect(() => {
    const judge = (now: Me | undefined): void => {
      if (gone.current) {
        return;
      }
      if (now === undefined) {
        end(ENDED);
      } else if (now.user !== me.user || now.role !== me.role) {
        onChanged(now);
      }
    };
    const watch = openWatch(me, topicsOf(me), {
      overview(next) {
        setOverview(next);
        setLive(true);
      },
      change: (line) => listeners.topics.get(line.topic)?.forEach((listener) => listener(line)),
      fleet: (line) => listeners.fleet.forEach((listener) => listener(line)),
      lost: () => setLive(false),
      resumed() {
        setLive(true);
        tellAll(listeners);
      },
      ended: () => void whoAmI().then(judge, () => undefined),
    });
    watching.current = watch;
    watch.follow(followedOf(listeners));
    return () => {
      gone.current = true;
      watch.close();
    };
  }, []);

  const leave = (): void => {
    gone.current = true;
    void logout()
      .catch(() => undefined)
      .then(() => onSignedOut());
  };
  return { overview, live, said, shared, leave };
}
