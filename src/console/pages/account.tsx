import { useState } from 'preact/hooks';
import type { SessionInfo } from '../../api/users.ts';
import { changePassword } from '../api.ts';
import { SCOPE_MEANING, may } from '../logic/access.ts';
import { LEAST_PASSWORD } from '../logic/password.ts';
import { useAction, useConsole, useLoaded } from '../parts/context.ts';
import { FormDialog } from '../parts/dialog.tsx';
import { Empty, PageHead, Time } from '../parts/table.tsx';
import { endSession, listSessions } from '../resources.ts';

export function AccountPage() {
  const { me } = useConsole();
  return (
    <>
      <PageHead title={me.user} hint={`Role ${me.role}.`} />
      <section class="card">
        <h2>You may</h2>
        <ul class="plain">
          {me.scopes.map((s) => (
            <li key={s}>
              <strong>{s}</strong>: {SCOPE_MEANING[s]}
            </li>
          ))}
        </ul>
      </section>
      <Password />
      <Sessions />
    </>
  );
}

function Password() {
  const { me, say } = useConsole();
  const { busy, error, run } = useAction();
  const [mismatch, setMismatch] = useState(false);
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const element = event.currentTarget as HTMLFormElement;
    const form = new FormData(element);
    const password = String(form.get('new'));
    setMismatch(password !== String(form.get('again')));
    if (password !== String(form.get('again'))) {
      return;
    }
    run(
      () => changePassword({ current: String(form.get('current')), password }),
      () => {
        element.reset();
        say('The password has been changed.');
      },
    );
  };
  return (
    <section class="card">
      <h2>Password</h2>
      <form class="stack" onSubmit={submit} aria-label="Change the password">
        <input name="user" autocomplete="username" value={me.user} readOnly hidden />
        <label>
          Current password{' '}
          <input name="current" type="password" autocomplete="current-password" required maxLength={1024} />
        </label>
        <label>
          New password, {LEAST_PASSWORD} characters or more{' '}
          <input
            name="new"
            type="password"
            autocomplete="new-password"
            required
            minLength={LEAST_PASSWORD}
            maxLength={1024}
          />
        </label>
        <label>
          Once more <input name="again" type="password" autocomplete="new-password" required maxLength={1024} />
        </label>
        <p class="message" role="alert">
          {mismatch ? 'The two are not the same.' : error}
        </p>
        <div class="actions">
          <button type="submit" class="primary" disabled={busy}>
            {busy ? 'Changing…' : 'Change'}
          </button>
          <span class="hint">All other sessions of yours end.</span>
        </div>
      </form>
    </section>
  );
}

function Sessions() {
  const { me, say, signedOut } = useConsole();
  const admin = may(me, 'admin');
  const { data, error, reload } = useLoaded(admin ? 'sessions' : undefined, () => listSessions());
  const [ending, setEnding] = useState<SessionInfo | undefined>(undefined);
  const sessions = data?.toSorted(
    (a, b) => Number(b.current) - Number(a.current) || b.createdAt.localeCompare(a.createdAt),
  );
  return (
    <section class="card">
      <h2>{admin ? 'Sessions of all users' : 'Your sessions'}</h2>
      <p class="message" role="alert">
        {error}
      </p>
      <div class="scroll">
        <table data-kind="sessions">
          <thead>
            <tr>
              <th>User</th>
              <th>From</th>
              <th>Since</th>
              <th>Ends at the latest</th>
              <th>
                <span class="sr">Change</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {sessions?.map((s) => (
              <tr key={s.id}>
                <th scope="row">
                  {s.user}
                  {s.current && <small> (this one)</small>}
                </th>
                <td class="mono">{s.address}</td>
                <td>
                  <Time at={s.createdAt} />
                </td>
                <td>
                  <Time at={s.expiresAt} />
                </td>
                <td>
                  <div class="row-actions">
                    <button type="button" onClick={() => setEnding(s)}>
                      End it
                    </button>
                  </div>
                </td>
              </tr>
            ))}
            {sessions?.length === 0 && <Empty columns={5}>There is none.</Empty>}
          </tbody>
        </table>
      </div>
      {ending !== undefined && (
        <FormDialog
          title="End this session?"
          action="End it"
          danger
          onClose={() => setEnding(undefined)}
          onSubmit={async () => {
            await endSession(ending.id);
            setEnding(undefined);
            if (ending.current) {
              return signedOut();
            }
            say('The session has ended.');
            return reload();
          }}
        >
          <p>
            {ending.current
              ? 'It is this one: you have to log in again.'
              : `Of ${ending.user}, from ${ending.address}.`}
          </p>
        </FormDialog>
      )}
    </section>
  );
}
