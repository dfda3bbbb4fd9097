import { useState } from 'preact/hooks';
import type { SavedQuery } from '../../api/saved-queries.ts';
import { may } from '../logic/access.ts';
import { useConsole, useLoaded } from '../parts/context.ts';
import { FormDialog } from '../parts/dialog.tsx';
import { deleteSavedQuery, listSavedQueries, saveQuery } from '../resources.ts';

export function SavedList({ onOpen }: { onOpen: (query: SavedQuery) => void }) {
  const { me, say } = useConsole();
  const { data, error, reload } = useLoaded('saved-queries', listSavedQueries);
  const [filter, setFilter] = useState('');
  const [deleting, setDeleting] = useState<SavedQuery | undefined>(undefined);
  const shown = data
    ?.filter((q) => `${q.name} ${q.owner} ${q.sql}`.toLowerCase().includes(filter.toLowerCase()))
    .toSorted((a, b) => a.name.localeCompare(b.name));
  return (
    <>
      <input
        type="search"
        placeholder="Name, owner, text"
        aria-label="Filter saved queries"
        value={filter}
        onInput={(e) => setFilter(e.currentTarget.value)}
      />
      <p class="message" role="alert">
        {error}
      </p>
      <ul class="entries" data-kind="saved">
        {shown?.map((q) => (
          <li key={q.id}>
            <button type="button" class="entry" title={q.sql} onClick={() => onOpen(q)}>
              <strong>{q.name}</strong>
              <small>{q.owner}</small>
              <code>{q.sql}</code>
            </button>
            {(q.owner === me.user || may(me, 'admin')) && (
              <button
                type="button"
                class="small"
                aria-label={`Delete the saved ${q.name}`}
                onClick={() => setDeleting(q)}
              >
                ×
              </button>
            )}
          </li>
        ))}
      </ul>
      {shown?.length === 0 && (
        <p class="hint">
          {data?.length === 0 ? 'None is saved yet. “Save…” keeps one for everybody.' : 'Nothing fits.'}
        </p>
      )}
      {deleting !== undefined && (
        <FormDialog
          title={`Delete ${deleting.name}?`}
          action="Delete"
          danger
          onClose={() => setDeleting(undefined)}
          onSubmit={async () => {
            await deleteSavedQuery(deleting.id);
            setDeleting(undefined);
            say(`${deleting.name} has been deleted.`);
            reload();
          }}
        >
          <p>It is gone for everybody.{deleting.owner === me.user ? '' : ` It is ${deleting.owner}’s.`}</p>
        </FormDialog>
      )}
    </>
  );
}

/** Saves over the opened one where it is the user's own, or as another. */
export function SaveDialog({
  sql,
  opened,
  onClose,
  onSaved,
}: {
  sql: string;
  opened: SavedQuery | undefined;
  onClose: () => void;
  onSaved: (saved: SavedQuery) => void;
}) {
  const { me, say } = useConsole();
  const over = opened !== undefined && (opened.owner === me.user || may(me, 'admin')) ? opened : undefined;
  const [fresh, setFresh] = useState(over === undefined);
  return (
    <FormDialog
      title="Save this query"
      action="Save"
      onClose={onClose}
      onSubmit={async (form) => {
        const saved = await saveQuery({
          name: String(form.get('name')),
          sql,
          ...(over === undefined || fresh ? {} : { over }),
        });
        say(`${saved.name} has been saved.`);
        onSaved(saved);
      }}
    >
      <label>
        Name <input name="name" required maxLength={200} defaultValue={opened?.name ?? ''} autocomplete="off" />
      </label>
      {over !== undefined && (
        <label class="check">
          <input type="checkbox" checked={fresh} onChange={(e) => setFresh(e.currentTarget.checked)} /> as a new one,
          not over “{over.name}”
        </label>
      )}
      <p class="hint">Everybody who may look at this console can read it.</p>
    </FormDialog>
  );
}
