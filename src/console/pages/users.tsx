import { useState } from 'preact/hooks';
import type { User } from '../../api/users.ts';
import { addressOf } from '../logic/location.ts';
import { Badge } from '../parts/badge.tsx';
import { useConsole, useLoaded } from '../parts/context.ts';
import { Empty, PageHead, Time } from '../parts/table.tsx';
import { changeUser, listUsers } from '../resources.ts';
import { UserDialog, type UserAction } from './user-dialog.tsx';

export function UsersPage() {
  const { me, say } = useConsole();
  const { data, error, reload } = useLoaded('users', listUsers);
  const [doing, setDoing] = useState<UserAction | undefined>(undefined);
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
      <UsersTable users={data} onDo={setDoing} onEnable={enable} />
      {doing !== undefined && (
        <UserDialog doing={doing} me={me.user} onClose={() => setDoing(undefined)} onDone={done} />
      )}
    </>
  );
}

interface Actions {
  onDo: (action: UserAction) => void;
  onEnable: (user: User) => void;
}

function UsersTable({ users, onDo, onEnable }: Actions & { users: User[] | undefined }) {
  return (
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
            {users?.map((u) => (
              <UserRow key={u.name} user={u} onDo={onDo} onEnable={onEnable} />
            ))}
            {users?.length === 0 && <Empty columns={6}>There is nobody.</Empty>}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function UserRow({ user, onDo, onEnable }: Actions & { user: User }) {
  const { me } = useConsole();
  return (
    <tr>
      <th scope="row">
        {user.name}
        {user.name === me.user && <small> (you)</small>}
      </th>
      <td>{user.role}</td>
      <td>
        <StateBadge user={user} />
      </td>
      <td>
        <Time at={user.passwordAt} />
      </td>
      <td>
        <Time at={user.createdAt} />
      </td>
      <td>
        <div class="row-actions" role="group" aria-label={`Change ${user.name}`}>
          <button type="button" onClick={() => onDo({ what: 'role', user })}>
            Role
          </button>
          <button type="button" onClick={() => onDo({ what: 'password', user })}>
            Password
          </button>
          <button type="button" onClick={() => onDo({ what: 'sessions', user })}>
            End sessions
          </button>
          {user.disabled ? (
            <button type="button" onClick={() => onEnable(user)}>
              Enable
            </button>
          ) : (
            <button type="button" onClick={() => onDo({ what: 'disable', user })}>
              Disable
            </button>
          )}
          <button type="button" class="danger" onClick={() => onDo({ what: 'delete', user })}>
            Delete
          </button>
          <a href={addressOf('audit', undefined, { actor: user.name })}>Log</a>
        </div>
      </td>
    </tr>
  );
}

function StateBadge({ user }: { user: User }) {
  if (user.disabled) {
    return <Badge tone="bad">disabled</Badge>;
  }
  return user.mustChangePassword ? (
    <Badge tone="warn">has to change the password</Badge>
  ) : (
    <Badge tone="good">active</Badge>
  );
}
