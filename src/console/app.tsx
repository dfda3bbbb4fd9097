import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Overview } from '../api/overview.ts';
import { whoAmI } from './api.ts';
import type { Me } from './logic/access.ts';
import { placeOf, type PageName, type Place } from './logic/location.ts';
import { TITLES, allowed } from './logic/pages.ts';
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
import { ConsoleContext } from './parts/context.ts';
import { Sidebar } from './parts/sidebar.tsx';
import { QueryPage } from './query/page.tsx';
import { useSession } from './session.ts';

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
  const { overview, live, said, shared, leave } = useSession(me, onSignedOut, onChanged);
  const place = usePlace();
  const main = useRef<HTMLElement>(null);
  const cluster = overview?.cluster.name ?? 'Terrarium';
  const page = allowed(me, place.page) ? place.page : undefined;
  // The title changes with the page, and not a moment after it.
  useLayoutEffect(() => {
    document.title = `${place.key ?? TITLES[place.page]} · ${cluster}`;
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

  return (
    <ConsoleContext.Provider value={shared}>
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <div class="frame">
        <Sidebar me={me} page={place.page} cluster={cluster} live={live} onLeave={leave} />
        <main id="main" tabIndex={-1} ref={main}>
          {page === undefined && (
            <p class="notice" role="status">
              The role {me.role} does not allow this page. An administrator can give you another one.
            </p>
          )}
          {overview === undefined ? (
            <p class="starting">Loading…</p>
          ) : (
            <Page page={page} place={place} overview={overview} queried={queried.current} />
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

function Page({
  page,
  place,
  overview,
  queried,
}: {
  /** Undefined where it is not allowed. */
  page: PageName | undefined;
  place: Place;
  overview: Overview;
  /** The page of queries has been looked at. */
  queried: boolean;
}) {
  return (
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
      {queried && (
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
  );
}
