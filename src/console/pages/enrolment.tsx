import { useState } from 'preact/hooks';
import type { EnrolmentToken } from '../../cloud/satellites-api.ts';
import { enrolCommand, parseTags, tagText } from '../logic/enrolment.ts';
import { ago } from '../logic/time.ts';
import { Badge } from '../parts/badge.tsx';
import { useConsole, useLoaded, useNow } from '../parts/context.ts';
import { FormDialog, SecretDialog } from '../parts/dialog.tsx';
import { Empty, PageHead, Time } from '../parts/table.tsx';
import { createEnrolmentToken, deleteEnrolmentToken, listEnrolmentTokens } from '../resources.ts';

const LIVES: [minutes: number, name: string][] = [[15, '15 minutes'], [60, 'an hour'], [24 * 60, 'a day'], [7 * 24 * 60, 'a week']];

export function EnrolmentPage() {
  const { say } = useConsole();
  // A token that is used up is seen when its satellite appears.
  const { data, error, reload } = useLoaded('satellites', listEnrolmentTokens);
  const [creating, setCreating] = useState(false);
  const [made, setMade] = useState<string | undefined>(undefined);
  const [deleting, setDeleting] = useState<EnrolmentToken | undefined>(undefined);
  const now = useNow();
  return (
    <>
      <PageHead title="Enrolment" hint="By a token a Linux machine outside the cluster becomes a satellite. Each is good for one machine.">
        <button type="button" class="primary" onClick={() => setCreating(true)}>Add a machine</button>
      </PageHead>
      <p class="message" role="alert">{error}</p>
      <section class="card">
        <div class="scroll">
          <table data-kind="enrolment">
            <thead><tr><th>Token</th><th>State</th><th>Tags</th><th>Made by</th><th>Created</th><th>Ends</th><th><span class="sr">Change</span></th></tr></thead>
            <tbody>
              {data?.map((t) => (
                <tr key={t.id}>
                  <th scope="row" class="mono">{t.id}</th>
                  <td><TokenState token={t} now={now} /></td>
                  <td>{tagText(t.tags).map((tag) => <span key={tag} class="tag">{tag}</span>)}</td>
                  <td>{t.createdBy}</td>
                  <td>{ago(t.createdAt, now)} ago</td>
                  <td><Time at={t.expiresAt} /></td>
                  <td><div class="row-actions"><button type="button" class="danger" aria-label={`Delete ${t.id}`} onClick={() => setDeleting(t)}>Delete</button></div></td>
                </tr>
              ))}
              {data?.length === 0 && <Empty columns={7}>There is none.</Empty>}
            </tbody>
          </table>
        </div>
      </section>
      {creating && (
        <FormDialog
          title="Add a machine" action="Make a token" onClose={() => setCreating(false)}
          onSubmit={async (form) => {
            const reply = await createEnrolmentToken({ minutes: Number(form.get('minutes')), tags: parseTags(String(form.get('tags'))) });
            setCreating(false);
            setMade(enrolCommand(reply));
            reload();
          }}
        >
          <label>
            Good for
            <select name="minutes" defaultValue="60">{LIVES.map(([minutes, name]) => <option key={minutes} value={String(minutes)} selected={minutes === 60}>{name}</option>)}</select>
          </label>
          <label>Tags <input name="tags" placeholder="place=cellar role=camera" autocomplete="off" maxLength={2000} /></label>
        </FormDialog>
      )}
      {made !== undefined && (
        <SecretDialog title="Run this on the machine" label="Command line" secret={made} onClose={() => setMade(undefined)}>
          <p>Copy it now: the token in it is shown only this once. Run it as root with the <code>terrarium</code> executable on that machine; then <code>terrarium satellite</code> runs the satellite.</p>
        </SecretDialog>
      )}
      {deleting !== undefined && (
        <FormDialog
          title="Delete this enrolment token?" action="Delete" danger onClose={() => setDeleting(undefined)}
          onSubmit={async () => {
            await deleteEnrolmentToken(deleting.id);
            setDeleting(undefined);
            say('The enrolment token has been deleted.');
            reload();
          }}
        >
          <p><span class="mono">{deleting.id}</span> can then enrol nobody. What has enrolled by it stays.</p>
        </FormDialog>
      )}
    </>
  );
}

function TokenState({ token, now }: { token: EnrolmentToken; now: number }) {
  if (token.usesLeft < 1) return <Badge tone="idle">used</Badge>;
  if (Date.parse(token.expiresAt) < now) return <Badge tone="idle">has ended</Badge>;
  return <Badge tone="good">ready</Badge>;
}
