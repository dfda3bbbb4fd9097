import { useEffect, useState } from 'preact/hooks';
import type { Overview } from '../cloud/api.ts';
import { isSignedIn, logout, watchOverview } from './api.ts';
import { Login } from './login.tsx';
import { OverviewPage } from './overview.tsx';
import { QueryPage } from './query.tsx';
import { ThemeButton } from './theme.tsx';

type Page = 'overview' | 'query';

function pageOf(hash: string): Page {
  return hash === '#/query' ? 'query' : 'overview';
}

export function App() {
  const [signedIn, setSignedIn] = useState<boolean | undefined>(undefined);
  const [overview, setOverview] = useState<Overview | undefined>(undefined);
  const [live, setLive] = useState(true);
  const [page, setPage] = useState<Page>(pageOf(location.hash));
  const [error, setError] = useState<string | undefined>(undefined);

  useEffect(() => {
    const follow = (): void => setPage(pageOf(location.hash));
    addEventListener('hashchange', follow);
    return () => removeEventListener('hashchange', follow);
  }, []);

  useEffect(() => {
    isSignedIn().then(setSignedIn, (e: Error) => {
      setSignedIn(false);
      setError(e.message);
    });
  }, []);

  useEffect(() => {
    if (signedIn !== true) return undefined;
    const watch = watchOverview({
      overview(next) {
        setOverview(next);
        setLive(true);
      },
      lost: () => setLive(false),
      ended: () => setSignedIn(false),
    });
    return () => watch.close();
  }, [signedIn]);

  if (signedIn === undefined) return <p class="starting">Loading…</p>;
  if (!signedIn) return <Login error={error} onDone={() => setSignedIn(true)} />;

  const leave = (): void => {
    void logout().catch(() => undefined).then(() => {
      setOverview(undefined);
      setSignedIn(false);
    });
  };
  return (
    <>
      <a class="skip" href="#main">Skip to the content</a>
      <header class="bar">
        <Logo />
        <strong class="name">{overview?.cluster.name ?? 'Terrarium'}</strong>
        <nav aria-label="Pages">
          <a href="#/overview" aria-current={page === 'overview' ? 'page' : undefined}>Overview</a>
          <a href="#/query" aria-current={page === 'query' ? 'page' : undefined}>Query</a>
        </nav>
        <span class="spring" />
        <span class={`live ${live ? 'on' : 'off'}`} role="status">{live ? 'live' : 'reconnecting…'}</span>
        <ThemeButton />
        <button type="button" class="quiet" onClick={leave}>Log out</button>
      </header>
      <main id="main">
        {overview === undefined ? <p class="starting">Loading…</p> : (
          <>
            <div hidden={page !== 'overview'}><OverviewPage overview={overview} /></div>
            <div hidden={page !== 'query'}><QueryPage satellites={overview.satellites} onSignedOut={() => setSignedIn(false)} /></div>
          </>
        )}
      </main>
      {overview !== undefined && <footer>Terrarium {overview.cluster.version} · cluster {overview.cluster.id} · shown by {overview.instance}</footer>}
    </>
  );
}

export function Logo() {
  return <img class="logo" src="/favicon.svg" alt="" width="28" height="28" />;
}
