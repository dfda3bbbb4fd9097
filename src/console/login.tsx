import { useRef, useState } from 'preact/hooks';
import { login } from './api.ts';
import { Logo } from './app.tsx';

export function Login({ error, onDone }: { error: string | undefined; onDone: () => void }) {
  const [message, setMessage] = useState(error);
  const [busy, setBusy] = useState(false);
  const password = useRef<HTMLInputElement>(null);

  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    setBusy(true);
    login({ user: String(form.get('user')), password: String(form.get('password')) }).then(onDone, (e: Error) => {
      setBusy(false);
      setMessage(e.message);
      password.current?.select();
    });
  };
  return (
    <main class="login">
      <form onSubmit={submit} aria-label="Log in">
        <div class="title">
          <Logo />
          <h1>Terrarium</h1>
        </div>
        <label>
          User
          <input name="user" autocomplete="username" value="admin" required maxLength={64} />
        </label>
        <label>
          Password
          <input name="password" type="password" autocomplete="current-password" required maxLength={1024} autofocus ref={password} />
        </label>
        <button type="submit" class="primary" disabled={busy}>{busy ? 'Checking…' : 'Log in'}</button>
        <p class="message" role="alert">{message}</p>
        <p class="hint">The first password was printed by the install. <code>terrarium user reset-password</code>, as root on a node, makes a new one.</p>
      </form>
    </main>
  );
}
