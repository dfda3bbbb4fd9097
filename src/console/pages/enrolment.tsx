import { useState } from 'preact/hooks';
import type { EnrolmentToken } from '../../cloud/satellites-api.ts';
import { enrolCommand, parseTags } from '../logic/enrolment.ts';
import { ago } from '../logic/time.ts';
import { Badge } from '../parts/badge.tsx';
import { useConsole, useLoaded, useNow } from '../parts/context.ts';
import { FormDialog, SecretDialog } from '../parts/dialog.tsx';
import { Empty, PageHead, Tags, Time } from '../parts/table.tsx';
import { createEnrolmentToken, createManifest, deleteEnrolmentToken, listEnrolmentTokens } from '../resources.ts';

const LIVES: [minutes: number, name: string][] = [
  [15, '15 minutes'],
  [60, 'an hour'],
  [24 * 60, 'a day'],
  [7 * 24 * 60, 'a week'],
];

/** Where a satellite is to come. */
type Target = 'machine' | 'cluster';

/** What is to be run or applied there, and is shown only once. */
interface Made {
  target: Target;
  text: string;
}

export function EnrolmentPage() {
  const { say } = useConsole();
  // A token that is used up is seen when its satellite appears.
  const { data, error, reload } = useLoaded('satellites', listEnrolmentTokens);
  const [creating, setCreating] = useState<Target | undefined>(undefined);
  const [made, setMade] = useState<Made | undefined>(undefined);
  const [deleting, setDeleting] = useState<EnrolmentToken | undefined>(undefined);
  const now = useNow();
  return (
    <>
      <PageHead
        title="Enrolment"
        hint="By a token a Linux machine, or another Kubernetes cluster, gets a satellite. Each is good for one."
      >
        <button type="button" class="primary" onClick={() => setCreating('machine')}>
          Add a machine
        </button>
        <button type="button" onClick={() => setCreating('cluster')}>
          Add a cluster
        </button>
      </PageHead>
      <p class="message" role="alert">
        {error}
      </p>
      <TokensTable tokens={data} now={now} onDelete={setDeleting} />
      {creating !== undefined && (
        <CreateDialog
          target={creating}
          onClose={() => setCreating(undefined)}
          onMade={(text) => {
            setCreating(undefined);
            setMade({ target: creating, text });
            reload();
          }}
        />
      )}
      {made !== undefined && <MadeDialog made={made} onClose={() => setMade(undefined)} />}
      {deleting !== undefined && (
        <DeleteDialog
          token={deleting}
          onClose={() => setDeleting(undefined)}
          onDone={() => {
            setDeleting(undefined);
            say('The enrolment token has been deleted.');
            reload();
          }}
        />
      )}
    </>
  );
}

function TokenState({ token, now }: { token: EnrolmentToken; now: number }) {
  if (token.usesLeft < 1) {
    return <Badge tone="idle">used</Badge>;
  }
  if (Date.parse(token.expiresAt) < now) {
    return <Badge tone="idle">has ended</Badge>;
  }
  return <Badge tone="good">ready</Badge>;
}

function TokensTable({
  tokens,
  now,
  onDelete,
}: {
  tokens: EnrolmentToken[] | undefined;
  now: number;
  onDelete: (token: EnrolmentToken) => void;
}) {
  return (
    <section class="card">
      <div class="scroll">
        <table data-kind="enrolment">
          <thead>
            <tr>
              <th>Token</th>
              <th>State</th>
              <th>Tags</th>
              <th>Made by</th>
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
                <th scope="row" class="mono">
                  {t.id}
                </th>
                <td>
                  <TokenState token={t} now={now} />
                </td>
                <td>
                  <Tags tags={t.tags} />
                </td>
                <td>{t.createdBy}</td>
                <td>{ago(t.createdAt, now)} ago</td>
                <td>
                  <Time at={t.expiresAt} />
                </td>
                <td>
                  <div class="row-actions">
                    <button type="button" class="danger" aria-label={`Delete ${t.id}`} onClick={() => onDelete(t)}>
                      Delete
                    </button>
                  </div>
                </td>
              </tr>
            ))}
            {tokens?.length === 0 && <Empty columns={7}>There is none.</Empty>}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function CreateDialog({
  target,
  onClose,
  onMade,
}: {
  target: Target;
  onClose: () => void;
  onMade: (text: string) => void;
}) {
  return (
    <FormDialog
      title={target === 'machine' ? 'Add a machine' : 'Add a Kubernetes cluster'}
      action={target === 'machine' ? 'Make a token' : 'Make the YAML'}
      onClose={onClose}
      onSubmit={async (form) => {
        const what = { minutes: Number(form.get('minutes')), tags: parseTags(String(form.get('tags'))) };
        const text =
          target === 'machine'
            ? enrolCommand(await createEnrolmentToken(what))
            : await createManifest({ ...what, id: String(form.get('id')) });
        onMade(text);
      }}
    >
      {target === 'cluster' && (
        <label>
          Name of its satellite{' '}
          <input
            name="id"
            required
            maxLength={63}
            pattern="[a-z0-9]([a-z0-9.\-]*[a-z0-9])?"
            title="Small letters, digits, dot, hyphen"
            autocomplete="off"
            spellcheck={false}
          />
        </label>
      )}
      <label>
        Good for
        <select name="minutes">
          {LIVES.map(([minutes, name]) => (
            <option key={minutes} value={String(minutes)} selected={minutes === 60}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <label>
        Tags <input name="tags" placeholder="place=cellar role=camera" autocomplete="off" maxLength={2000} />
      </label>
    </FormDialog>
  );
}

function MadeDialog({ made, onClose }: { made: Made; onClose: () => void }) {
  return made.target === 'machine' ? (
    <SecretDialog title="Run this on the machine" label="Command line" secret={made.text} onClose={onClose}>
      <p>
        Copy it now: the token in it is shown only this once. It installs the satellite as a service, by the{' '}
        <code>terrarium</code> executable on that machine.
      </p>
    </SecretDialog>
  ) : (
    <SecretDialog title="Apply this in the other cluster" label="YAML" secret={made.text} onClose={onClose}>
      <p>
        Copy it now: the token in it is shown only this once. <code>kubectl apply -f -</code> takes it.
      </p>
    </SecretDialog>
  );
}

function DeleteDialog({ token, onClose, onDone }: { token: EnrolmentToken; onClose: () => void; onDone: () => void }) {
  return (
    <FormDialog
      title="Delete this enrolment token?"
      action="Delete"
      danger
      onClose={onClose}
      onSubmit={async () => {
        await deleteEnrolmentToken(token.id);
        onDone();
      }}
    >
      <p>
        <span class="mono">{token.id}</span> can then enrol nobody. What has enrolled by it stays.
      </p>
    </FormDialog>
  );
}
