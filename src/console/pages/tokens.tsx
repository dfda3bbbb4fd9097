import { useState } from 'preact/hooks';
import type { Scope } from '../../api/access.ts';
import type { Token } from '../../api/users.ts';
import { SCOPE_MEANING, may } from '../logic/access.ts';
import { Badge } from '../parts/badge.tsx';
import { useConsole, useLoaded, useNow } from '../parts/context.ts';
import { FormDialog, SecretDialog } from '../parts/dialog.tsx';
import { Empty, PageHead, Time } from '../parts/table.tsx';
import { createToken, deleteToken, listTokens } from '../resources.ts';

const DAYS = { default: 90, most: 365 };

interface MadeToken {
  name: string;
  /** The token itself, which is shown only once. */
  token: string;
}

export function TokensPage() {
  const { me, say } = useConsole();
  // Only administrators may watch tokens.
  const { data, error, reload } = useLoaded(may(me, 'admin') ? 'tokens' : undefined, listTokens);
  const [creating, setCreating] = useState(false);
  const [made, setMade] = useState<MadeToken | undefined>(undefined);
  const [deleting, setDeleting] = useState<Token | undefined>(undefined);
  const now = useNow();
  return (
    <>
      <PageHead
        title="API tokens"
        hint={
          may(me, 'admin')
            ? 'For programs, of all users. A token can do what its owner can, and no more than it was given.'
            : 'For your programs. A token can do what you can, and no more than it was given.'
        }
      >
        <button type="button" class="primary" onClick={() => setCreating(true)}>
          New token
        </button>
      </PageHead>
      <p class="message" role="alert">
        {error}
      </p>
      <TokensTable tokens={data} now={now} onDelete={setDeleting} />
      {creating && (
        <CreateDialog
          onClose={() => setCreating(false)}
          onMade={(token) => {
            setCreating(false);
            setMade(token);
            reload();
          }}
        />
      )}
      {made !== undefined && (
        <SecretDialog
          title={`The token ${made.name}`}
          label="Token"
          secret={made.token}
          onClose={() => setMade(undefined)}
        >
          <p>
            Copy it now: it is shown only this once. It goes into the header <code>Authorization: Bearer …</code>.
          </p>
        </SecretDialog>
      )}
      {deleting !== undefined && (
        <DeleteDialog
          token={deleting}
          onClose={() => setDeleting(undefined)}
          onDone={() => {
            setDeleting(undefined);
            say(`${deleting.name} has been deleted.`);
            reload();
          }}
        />
      )}
    </>
  );
}

function TokensTable({
  tokens,
  now,
  onDelete,
}: {
  tokens: Token[] | undefined;
  now: number;
  onDelete: (token: Token) => void;
}) {
  return (
    <section class="card">
      <div class="scroll">
        <table data-kind="tokens">
          <thead>
            <tr>
              <th>Name</th>
              <th>Owner</th>
              <th>May</th>
              <th>Created</th>
              <th>Ends</th>
              <th>
                <span class="sr">Change</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {tokens?.map((t) => (
              <tr key={t.id}>
                <th scope="row">
                  {t.name}
                  <small class="reason mono">{t.id}</small>
                </th>
                <td>{t.owner}</td>
                <td>{t.scopes.join(', ')}</td>
                <td>
                  <Time at={t.createdAt} />
                </td>
                <td>
                  {Date.parse(t.expiresAt) < now ? <Badge tone="idle">has ended</Badge> : <Time at={t.expiresAt} />}
                </td>
                <td>
                  <div class="row-actions">
                    <button type="button" class="danger" aria-label={`Delete ${t.name}`} onClick={() => onDelete(t)}>
                      Delete
                    </button>
                  </div>
                </td>
              </tr>
            ))}
            {tokens?.length === 0 && <Empty columns={6}>There is none.</Empty>}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function CreateDialog({ onClose, onMade }: { onClose: () => void; onMade: (token: MadeToken) => void }) {
  const { me } = useConsole();
  return (
    <FormDialog
      title="New API token"
      action="Create"
      onClose={onClose}
      onSubmit={async (form) => {
        const name = String(form.get('name'));
        const scopes = form.getAll('scope').map(String) as Scope[];
        if (scopes.length === 0) {
          throw new Error('Choose what it may do.');
        }
        const token = await createToken({ name, scopes, days: Number(form.get('days')) });
        onMade({ name, token });
      }}
    >
      <label>
        Name <input name="name" required maxLength={200} placeholder="What it is for" autocomplete="off" />
      </label>
      <fieldset class="options">
        <legend>It may</legend>
        {me.scopes.map((s) => (
          <label key={s}>
            <input type="checkbox" name="scope" value={s} defaultChecked={s === 'read'} />{' '}
            <span>
              {s}
              <small>{SCOPE_MEANING[s]}</small>
            </span>
          </label>
        ))}
      </fieldset>
      <label>
        Days until it ends{' '}
        <input name="days" type="number" required min={1} max={DAYS.most} defaultValue={DAYS.default} />
      </label>
    </FormDialog>
  );
}

function DeleteDialog({ token, onClose, onDone }: { token: Token; onClose: () => void; onDone: () => void }) {
  return (
    <FormDialog
      title={`Delete the token ${token.name}?`}
      action="Delete"
      danger
      onClose={onClose}
      onSubmit={async () => {
        await deleteToken(token.id);
        onDone();
      }}
    >
      <p>Programs that use it are refused at once.</p>
    </FormDialog>
  );
}
