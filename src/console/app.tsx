import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Overview } from '../api/overview.ts';
import type { ChangeLine, FleetLine, Topic } from '../api/watch.ts';
import { logout, whoAmI } from './api.ts';
import { may, type Me } from './logic/access.ts';
import { addressOf, placeOf, type PageName, type Place } from './logic/location.ts';
import { AccountPage } from './pages/account.tsx';
import { AuditPage } from './pages/audit.tsx';
import { EnrolmentPage } from './pages/enrolment.tsx';
import { Login } from './pages/login.tsx';
import { OverviewPage } from './pages/overview.tsx';
import { SatellitePage } from './pages/satellite.tsx';
import { SatellitesPage } from './pages/satellites.tsx';
import { SchedulePage } from './pages/schedule.tsx';
import { SchedulesPage } from './pages/schedules.tsx';
import { TokensPage } from './pages/tokens.tsx';
import { UsersPage } from './pages/users.tsx';
import { ConsoleContext, type Console } from './parts/context.ts';
import { Logo } from './parts/logo.tsx';
import { ThemeButton } from './parts/theme.tsx';
import { QueryPage } from './query/page.tsx';
import { openWatch, type Watch } from './watch.ts';

const TITLES: Record<PageName, string> = {
  overview: 'Overview',
  satellites: 'Satellites',
  query: 'Query',
  schedules: 'Schedules',
  users: 'Users',
  tokens: 'API tokens',
  enrolment: 'Enrolment',
  audit: 'Audit log',
  account: 'Account',
};
const GROUPS: { name: string; pages: PageName[] }[] = [
  { name: 'Fleet', pages: ['overview', 'satellites', 'query', 'schedules'] },
  { name: 'Access', pages: ['enrolment', 'tokens', 'users', 'audit'] },
];
const SAID_MS = 6_000;
const ENDED = 'The session has ended. Log in again.';

/** Which pages answer anything to somebody; the others are not shown. */
function allowed(me: Me, page: PageName): boolean {
  if (page === 'query') {
    return may(me, 'query');
  }
  if (page === 'enrolment') {
    return may(me, 'operate');
  }
  if (page === 'users' || page === 'audit') {
    return may(me, 'admin');
  }
  return true;
}

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

export function App() {
  const [me, setMe] = useState<Me | 'nobody' | undefined>(undefined);
  const [error, setError] = useState<string | undefined>(undefined);

  const ask = useCallback((): void => {
    whoAmI().then(
      (found) => setMe(found ?? 'nobody'),
      (e: Error) => {
        setMe('nobody');
        setError(e.message);
      },
    );
  }, []);
  useEffect(ask, []);
  const signedOut = useCallback((message?: string): void => {
    setError(message);
    setMe('nobody');
  }, []);

  if (me === undefined) {
    return <p class="starting">Loading…</p>;
  }
  if (me === 'nobody') {
    return <Login key={error} error={error} onDone={ask} />;
  }
  return <Signed key={`${me.user} ${me.role}`} me={me} onSignedOut={signedOut} onChanged={setMe} />;
}

function usePlace(): Place {
  const [place, setPlace] = useState(() => placeOf(location.hash));
  useEffect(() => {
    const follow = (): void => {
      // Other fragments are places inside the page, such as the one of "skip to the content".
      if (location.hash === '' || location.hash.startsWith('#/')) {
        setPlace(placeOf(location.hash));
      }
    };
    addEventListener('hashchange', follow);
    return () => removeEventListener('hashchange', follow);
  }, []);
  return place;
}

function Signed({
  me,
  onSignedOut,
  onChanged,
}: {
  me: Me;
  onSignedOut: (message?: string) => void;
  onChanged: (me: Me) => void;
}) {
  const [overview, setOverview] = useState<Overview | undefined>(undefined);
  const [live, setLive] = useState(true);
  const [said, setSaid] = useState<string | undefined>(undefined);
  const place = usePlace();
  const listeners = useRef(new Map<Topic, Set<(line?: ChangeLine) => void>>());
  const fleetListeners = useRef(new Set<(line?: FleetLine) => void>());
  const following = useRef(new Set<readonly string[]>());
  const watching = useRef<Watch>(undefined);
  const saying = useRef<ReturnType<typeof setTimeout>>(undefined);
  const main = useRef<HTMLElement>(null);
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
      onChange(topic, listener) {
        const all = listeners.current.get(topic) ?? new Set();
        listeners.current.set(topic, all.add(listener));
        return () => all.delete(listener);
      },
      onFleet(listener) {
        fleetListeners.current.add(listener);
        return () => fleetListeners.current.delete(listener);
      },
      follow(ids) {
        const tell = (): void => watching.current?.follow([...following.current].flat());
        following.current.add(ids);
        tell();
        return () => {
          following.current.delete(ids);
          tell();
        };
      },
    }),
    [me],
  );

  useEffect(() => {
    const watch = openWatch(me, topicsOf(me), {
      overview(next) {
        setOverview(next);
        setLive(true);
      },
      change: (line) => listeners.current.get(line.topic)?.forEach((listener) => listener(line)),
      fleet(line) {
        for (const listener of fleetListeners.current) {
          listener(line);
        }
      },
      lost: () => setLive(false),
      resumed() {
        setLive(true);
        for (const all of listeners.current.values()) {
          for (const listener of all) {
            listener();
          }
        }
        for (const listener of fleetListeners.current) {
          listener();
        }
      },
      ended() {
        whoAmI().then(
          (now) => {
            if (gone.current) {
              return;
            }
            if (now === undefined) {
              end(ENDED);
            } else if (now.user !== me.user || now.role !== me.role) {
              onChanged(now);
            }
          },
          () => undefined,
        );
      },
    });
    watching.current = watch;
    watch.follow([...following.current].flat());
    return () => {
      gone.current = true;
      watch.close();
    };
  }, []);

  const page = allowed(me, place.page) ? place.page : undefined;
  useEffect(() => {
    document.title = `${place.key ?? TITLES[place.page]} · ${overview?.cluster.name ?? 'Terrarium'}`;
  }, [place, overview?.cluster.name]);
  // A query goes on, and keeps its rows, while another page is looked at.
  const queried = useRef(false);
  queried.current ||= page === 'query';
  const shown = useRef(false);
  useLayoutEffect(() => {
    // Before anything can be pressed there: who moves by keyboard or screen reader starts at the new page's title; the
    // first page leaves the focus alone.
    if (shown.current) {
      main.current?.querySelector<HTMLElement>('[data-page]:not([hidden]) h1')?.focus({ preventScroll: true });
    }
    shown.current = true;
    scrollTo(0, 0);
  }, [place.page, place.key]);

  const leave = (): void => {
    gone.current = true;
    void logout()
      .catch(() => undefined)
      .then(() => onSignedOut());
  };
  return (
    <ConsoleContext.Provider value={shared}>
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <div class="frame">
        <header class="side">
          <div class="brand">
            <Logo />
            <strong class="name">{overview?.cluster.name ?? 'Terrarium'}</strong>
          </div>
          <nav aria-label="Pages">
            {GROUPS.map(({ name, pages }) => (
              <div key={name} class="group">
                <span class="caption">{name}</span>
                {pages
                  .filter((p) => allowed(me, p))
                  .map((p) => (
                    <a key={p} href={addressOf(p)} aria-current={place.page === p ? 'page' : undefined}>
                      {TITLES[p]}
                    </a>
                  ))}
              </div>
            ))}
          </nav>
          <span class="spring" />
          <div class="foot">
            <span class={`live ${live ? 'on' : 'off'}`} role="status">
              {live ? 'live' : 'reconnecting…'}
            </span>
            <a class="user" href={addressOf('account')} aria-current={place.page === 'account' ? 'page' : undefined}>
              {me.user}
              <small>{me.role}</small>
            </a>
            <div class="buttons">
              <ThemeButton />
              <button type="button" class="quiet" onClick={leave}>
                Log out
              </button>
            </div>
          </div>
        </header>
        <main id="main" tabIndex={-1} ref={main}>
          {page === undefined && (
            <p class="notice" role="status">
              The role {me.role} does not allow this page. An administrator can give you another one.
            </p>
          )}
          {overview === undefined ? (
            <p class="starting">Loading…</p>
          ) : (
            <>
              {page === 'overview' && (
                <div data-page>
                  <OverviewPage overview={overview} />
                </div>
              )}
              {page === 'satellites' && place.key === undefined && (
                <div data-page>
                  <SatellitesPage fleet={overview.satellites} />
                </div>
              )}
              {page === 'satellites' && place.key !== undefined && (
                <div data-page>
                  <SatellitePage key={place.key} id={place.key} />
                </div>
              )}
              {queried.current && (
                <div data-page hidden={page !== 'query'}>
                  <QueryPage fleet={overview.satellites} place={place} />
                </div>
              )}
              {page === 'schedules' && place.key === undefined && (
                <div data-page>
                  <SchedulesPage />
                </div>
              )}
              {page === 'schedules' && place.key !== undefined && (
                <div data-page>
                  <SchedulePage key={place.key} id={place.key} />
                </div>
              )}
              {page === 'users' && (
                <div data-page>
                  <UsersPage />
                </div>
              )}
              {page === 'tokens' && (
                <div data-page>
                  <TokensPage />
                </div>
              )}
              {page === 'enrolment' && (
                <div data-page>
                  <EnrolmentPage />
                </div>
              )}
              {page === 'audit' && (
                <div data-page>
                  <AuditPage key={JSON.stringify(place.params)} place={place} />
                </div>
              )}
              {page === 'account' && (
                <div data-page>
                  <AccountPage />
                </div>
              )}
            </>
          )}
          {overview !== undefined && (
            <footer>
              Terrarium {overview.cluster.version} · cluster {overview.cluster.id} · shown by {overview.instance}
            </footer>
          )}
        </main>
      </div>
      <p class="said" role="status">
        {said}
      </p>
    </ConsoleContext.Provider>
  );
}
