import type { Me } from '../logic/access.ts';
import { addressOf, type PageName } from '../logic/location.ts';
import { GROUPS, TITLES, allowed } from '../logic/pages.ts';
import { Logo } from './logo.tsx';
import { ThemeButton } from './theme.tsx';

/** The menu, who is signed in, and whether what is shown is of now. */
export function Sidebar({
  me,
  page,
  cluster,
  live,
  onLeave,
}: {
  me: Me;
  /** The one that is looked at. */
  page: PageName;
  /** Name of the cluster. */
  cluster: string;
  live: boolean;
  onLeave: () => void;
}) {
  return (
    <header class="side">
      <div class="brand">
        <Logo />
        <strong class="name">{cluster}</strong>
      </div>
      <nav aria-label="Pages">
        {GROUPS.map(({ name, pages }) => (
          <div key={name} class="group">
            <span class="caption">{name}</span>
            {pages
              .filter((p) => allowed(me, p))
              .map((p) => (
                <a key={p} href={addressOf(p)} aria-current={page === p ? 'page' : undefined}>
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
        <a class="user" href={addressOf('account')} aria-current={page === 'account' ? 'page' : undefined}>
          {me.user}
          <small>{me.role}</small>
        </a>
        <div class="buttons">
          <ThemeButton />
          <button type="button" class="quiet" onClick={onLeave}>
            Log out
          </button>
        </div>
      </div>
    </header>
  );
}
