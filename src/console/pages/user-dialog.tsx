import type { Role } from '../../api/access.ts';
import type { User } from '../../api/users.ts';
import { ROLE_MEANING } from '../logic/access.ts';
import { LEAST_PASSWORD } from '../logic/password.ts';
import { FormDialog } from '../parts/dialog.tsx';
import { changeUser, createUser, deleteUser, endSessionsOf } from '../resources.ts';

/** What is being done to users. */
export type UserAction =
  | { what: 'create' }
  | { what: 'role' | 'password' | 'sessions' | 'disable' | 'delete'; user: User };

const ROLES: Role[] = ['viewer', 'operator', 'admin'];

interface Ends {
  onClose: () => void;
  /** Told in a sentence. */
  onDone: (text: string) => void;
}

/** The form of an action. @param me name of the user who acts */
export function UserDialog({ doing, me, ...ends }: Ends & { doing: UserAction; me: string }) {
  if (doing.what === 'create') {
    return <CreateUser {...ends} />;
  }
  const { user } = doing;
  const own = user.name === me;
  switch (doing.what) {
    case 'role':
      return <ChangeRole user={user} own={own} {...ends} />;
    case 'password':
      return <SetPassword user={user} {...ends} />;
    case 'sessions':
      return <EndSessions user={user} own={own} {...ends} />;
    case 'disable':
      return <DisableUser user={user} {...ends} />;
    case 'delete':
      return <DeleteUser user={user} {...ends} />;
  }
}

function CreateUser({ onClose, onDone }: Ends) {
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

function ChangeRole({ user, own, onClose, onDone }: Ends & { user: User; own: boolean }) {
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
}

function SetPassword({ user, onClose, onDone }: Ends & { user: User }) {
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
}

function EndSessions({ user, own, onClose, onDone }: Ends & { user: User; own: boolean }) {
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
}

function DisableUser({ user, onClose, onDone }: Ends & { user: User }) {
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
}

function DeleteUser({ user, onClose, onDone }: Ends & { user: User }) {
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
