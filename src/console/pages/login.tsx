import type { RefObject } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { PasswordChange } from '../../api/access.ts';
import { changePassword, login } from '../api.ts';
import { LEAST_PASSWORD } from '../logic/password.ts';
import { Logo } from '../parts/logo.tsx';

export function Login({ error, onDone }: { error: string | undefined; onDone: () => void }) {
  const [message, setMessage] = useState(error);
  const [busy, setBusy] = useState(false);
  const [change, setChange] = useState<{ user: string; current: string; why: PasswordChange } | undefined>(undefined);
  const password = useFocus();

  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const wanted = (event.submitter as HTMLButtonElement | null)?.value === 'change';
    const user = String(form.get('user'));
    const current = String(form.get('password'));
    setBusy(true);
    login({ user, password: current }).then(
      (why) => {
        if (why !== 'none' || wanted) {
          setChange({ user, current, why });
        } else {
          onDone();
        }
      },
      (e: Error) => {
        setBusy(false);
        setMessage(e.message);
        password.current?.select();
      },
    );
  };
  if (change !== undefined) {
    return <NewPassword {...change} onDone={onDone} />;
  }
  return (
    <main class="login">
      <form onSubmit={submit} aria-label="Log in">
        <div class="title">
          <Logo />
          <h1>Terrarium</h1>
        </div>
        <label>
          User
          <input name="user" autocomplete="username" defaultValue="admin" required maxLength={64} />
        </label>
        <label>
          Password
          <input
            name="password"
            type="password"
            autocomplete="current-password"
            required
            maxLength={1024}
            ref={password}
          />
        </label>
        <button type="submit" class="primary" disabled={busy}>
          {busy ? 'Checking…' : 'Log in'}
        </button>
        <button type="submit" name="then" value="change" disabled={busy}>
          Log in and change the password
        </button>
        <p class="message" role="alert">
          {message}
        </p>
        <p class="hint">
          The first password was printed by the install. <code>terrarium user reset-password</code>, as root on a node,
          makes a new one.
        </p>
      </form>
    </main>
  );
}

/**
 * Focuses a field as it appears, and not a moment after it, when somebody may be typing into another one. A browser
 * grants the attribute autofocus only while nothing else has the focus, and complains.
 */
function useFocus(): RefObject<HTMLInputElement | null> {
  const field = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => field.current?.focus(), []);
  return field;
}

const WHY: Record<PasswordChange, (user: string) => string> = {
  required: (user) => `Somebody else knows the password of ${user}: choose another one.`,
  offered: (user) =>
    `The password of ${user} was made up for you and printed: choose one of your own. It can wait until the next ` +
    'login.',
  none: (user) => `Of ${user}. All other sessions end.`,
};

/** A new password for who has just logged in; who need not change it may leave it at that. */
function NewPassword({
  user,
  current,
  why,
  onDone,
}: {
  user: string;
  current: string;
  why: PasswordChange;
  onDone: () => void;
}) {
  const [message, setMessage] = useState<string | undefined>(undefined);
  const [busy, setBusy] = useState(false);
  const first = useFocus();

  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const next = String(form.get('new'));
    if (next !== String(form.get('again'))) {
      return setMessage('The two are not the same.');
    }
    setBusy(true);
    changePassword({ current, password: next }).then(onDone, (e: Error) => {
      setBusy(false);
      setMessage(e.message);
    });
  };
  return (
    <main class="login">
      <form onSubmit={submit} aria-label="Change the password">
        <div class="title">
          <Logo />
          <h1>New password</h1>
        </div>
        <p class="hint">{WHY[why](user)}</p>
        <input name="user" autocomplete="username" value={user} readOnly hidden />
        <label>
          New password, {LEAST_PASSWORD} characters or more
          <input
            name="new"
            type="password"
            autocomplete="new-password"
            required
            minLength={LEAST_PASSWORD}
            maxLength={1024}
            ref={first}
          />
        </label>
        <label>
          Once more
          <input name="again" type="password" autocomplete="new-password" required maxLength={1024} />
        </label>
        <button type="submit" class="primary" disabled={busy}>
          {busy ? 'Changing…' : 'Change'}
        </button>
        {why === 'required' ? null : (
          <button type="button" disabled={busy} onClick={onDone}>
            Later
          </button>
        )}
        <p class="message" role="alert">
          {message}
        </p>
      </form>
    </main>
  );
}
