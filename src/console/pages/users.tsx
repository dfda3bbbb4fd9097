import { useState } from 'preact/hooks';
import type { Role } from '../../api/access.ts';
import type { User } from '../../api/users.ts';
import { ROLE_MEANING } from '../logic/access.ts';
import { addressOf } from '../logic/location.ts';
import { LEAST_PASSWORD } from '../logic/password.ts';
import { Badge } from '../parts/badge.tsx';
import { useConsole, useLoaded } from '../parts/context.ts';
import { FormDialog } from '../parts/dialog.tsx';
import { Empty, PageHead, Time } from '../parts/table.tsx';
import { changeUser, createUser, deleteUser, endSessionsOf, listUsers } from '../resources.ts';

type Doing = { what: 'create' } | { what: 'role' | 'password' | 'sessions' | 'disable' | 'delete'; user: User };

const ROLES: Role[] = ['viewer', 'operator', 'admin'];

export function UsersPage() {
  const { me, say } = useConsole();
  const { data, error, reload } = useLoaded('users', listUsers);
  const [doing, setDoing] = useState<Doing | undefined>(undefined);
  const done = (text: string): void => {
    setDoing(undefined);
    say(text);
    reload();
  };
  const enable = (user: User): void =>
    void changeUser(user.name, { disabled: false, expect: user.version }).then(
      () => done(`${user.name} may log in again.`),
      (e: Error) => say(e.message),
    );
  return (
    <>
      <PageHead title="Users" hint="Who may log in here, by the command line and by the API.">
        <button type="button" class="primary" onClick={() => setDoing({ what: 'create' })}>
          New user
        </button>
      </PageHead>
      <p class="message" role="alert">
        {error}
      </p>
      <section class="card">
        <div class="scroll">
          <table data-kind="users">
            <thead>
              <tr>
                <th>Name</th>
                <th>Role</th>
                <th>State</th>
                <th>Password of</th>
                <th>Created</th>
                <th>
                  <span class="sr">Change</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {data?.map((u) => (
                <tr key={u.name}>
                  <th scope="row">
                    {u.name}
                    {u.name === me.user && <small> (you)</small>}
                  </th>
                  <td>{u.role}</td>
                  <td>
                    {u.disabled ? (
                      <Badge tone="bad">disabled</Badge>
                    ) : u.mustChangePassword ? (
                      <Badge tone="warn">has to change the password</Badge>
                    ) : (
                      <Badge tone="good">active</Badge>
                    )}
                  </td>
                  <td>
                    <Time at={u.passwordAt} />
                  </td>
                  <td>
                    <Time at={u.createdAt} />
                  </td>
                  <td>
                    <div class="row-actions" role="group" aria-label={`Change ${u.name}`}>
                      <button type="button" onClick={() => setDoing({ what: 'role', user: u })}>
                        Role
                      </button>
                      <button type="button" onClick={() => setDoing({ what: 'password', user: u })}>
                        Password
                      </button>
                      <button type="button" onClick={() => setDoing({ what: 'sessions', user: u })}>
                        End sessions
                      </button>
                      {u.disabled ? (
                        <button type="button" onClick={() => enable(u)}>
                          Enable
                        </button>
                      ) : (
                        <button type="button" onClick={() => setDoing({ what: 'disable', user: u })}>
                          Disable
                        </button>
                      )}
                      <button type="button" class="danger" onClick={() => setDoing({ what: 'delete', user: u })}>
                        Delete
                      </button>
                      <a href={addressOf('audit', undefined, { actor: u.name })}>Log</a>
                    </div>
                  </td>
                </tr>
              ))}
              {data?.length === 0 && <Empty columns={6}>There is nobody.</Empty>}
            </tbody>
          </table>
        </div>
      </section>
      {doing !== undefined && (
        <UserDialog doing={doing} me={me.user} onClose={() => setDoing(undefined)} onDone={done} />
      )}
    </>
  );
}

function UserDialog({
  doing,
  me,
  onClose,
  onDone,
}: {
  doing: Doing;
  me: string;
  onClose: () => void;
  onDone: (text: string) => void;
}) {
  if (doing.what === 'create') {
    return (
      <FormDialog
        title="New user"
        action="Create"
        onClose={onClose}
        onSubmit={async (form) => {
          const name = String(form.get('name'));
          await createUser({ name, role: String(form.get('role')) as Role, password: String(form.get('password')) });
          onDone(`${name} has been created.`);
        }}
      >
        <label>
          Name{' '}
          <input
            name="name"
            required
            maxLength={64}
            pattern="[a-z0-9]([a-z0-9._@\-]{0,62}[a-z0-9])?"
            title="Small letters, digits, dot, hyphen, underscore, @"
            autocomplete="off"
            spellcheck={false}
          />
        </label>
        <RoleField role="viewer" />
        <PasswordField label="First password" />
        <p class="hint">Has to be changed at the first login.</p>
      </FormDialog>
    );
  }
  const { user } = doing;
  const own = user.name === me;
  switch (doing.what) {
    case 'role':
      return (
        <FormDialog
          title={`Role of ${user.name}`}
          action="Change"
          onClose={onClose}
          onSubmit={async (form) => {
            const role = String(form.get('role')) as Role;
            await changeUser(user.name, { role, expect: user.version });
            onDone(`${user.name} is ${role} now.`);
          }}
        >
          <RoleField role={user.role} />
          {own && <p class="hint">This is you: a smaller role shows you less at once.</p>}
        </FormDialog>
      );
    case 'password':
      return (
        <FormDialog
          title={`New password for ${user.name}`}
          action="Set it"
          onClose={onClose}
          onSubmit={async (form) => {
            await changeUser(user.name, { password: String(form.get('password')), expect: user.version });
            onDone(`${user.name} has a new password.`);
          }}
        >
          <input name="user" autocomplete="username" value={user.name} readOnly hidden />
          <PasswordField label="New password" />
          <p class="hint">All sessions of {user.name} end, and it has to be changed at the next login.</p>
        </FormDialog>
      );
    case 'sessions':
      return (
        <FormDialog
          title={`End all sessions of ${user.name}?`}
          action="End them"
          danger
          onClose={onClose}
          onSubmit={async () => {
            const ended = await endSessionsOf(user.name);
            onDone(
              ended === 1 ? `One session of ${user.name} has ended.` : `${ended} sessions of ${user.name} have ended.`,
            );
          }}
        >
          <p>{own ? 'This one too: you have to log in again.' : `${user.name} has to log in again.`}</p>
        </FormDialog>
      );
    case 'disable':
      return (
        <FormDialog
          title={`Disable ${user.name}?`}
          action="Disable"
          danger
          onClose={onClose}
          onSubmit={async () => {
            await changeUser(user.name, { disabled: true, expect: user.version });
            onDone(`${user.name} has been disabled.`);
          }}
        >
          <p>All sessions end, API tokens do not work, and {user.name} cannot log in until enabled again.</p>
        </FormDialog>
      );
    case 'delete':
      return (
        <FormDialog
          title={`Delete ${user.name}?`}
          action="Delete"
          danger
          onClose={onClose}
          onSubmit={async () => {
            await deleteUser(user.name);
            onDone(`${user.name} has been deleted.`);
          }}
        >
          <p>Sessions and API tokens go too; saved queries stay.</p>
        </FormDialog>
      );
  }
}

function RoleField({ role }: { role: Role }) {
  return (
    <fieldset class="options">
      <legend>Role</legend>
      {ROLES.map((r) => (
        <label key={r}>
          <input type="radio" name="role" value={r} defaultChecked={r === role} required />{' '}
          <span>
            {r}
            <small>{ROLE_MEANING[r]}</small>
          </span>
        </label>
      ))}
    </fieldset>
  );
}

function PasswordField({ label }: { label: string }) {
  return (
    <label>
      {label}, {LEAST_PASSWORD} characters or more{' '}
      <input
        name="password"
        type="password"
        required
        minLength={LEAST_PASSWORD}
        maxLength={1024}
        autocomplete="new-password"
      />
    </label>
  );
}
