import { useState } from 'preact/hooks';
import type { SavedQuery } from '../../api/saved-queries.ts';
import type { Schedule, ScheduleBody } from '../../api/schedules.ts';
import { intervalText } from '../../interval-text.ts';
import { ApiError } from '../api.ts';
import { parseTags, tagText } from '../logic/enrolment.ts';
import { INTERVALS, idOf } from '../logic/schedule.ts';
import { FormDialog } from '../parts/dialog.tsx';
import { putSchedule } from '../resources.ts';

/** Ids that are tried where one is taken. */
const TRIES = 20;

interface Props {
  /** What it begins with. */
  sql: string;
  saved?: SavedQuery | undefined;
  /** Satellites that are chosen by their ids. */
  satellites?: string[] | undefined;
  /** One that is changed, not made. */
  over?: Schedule;
  onClose: () => void;
  onDone: (schedule: Schedule) => void;
}

type Whom = 'all' | 'tags' | 'these';

/** Has a query run again and again: how often, on which satellites. */
export function ScheduleDialog({ sql, saved, satellites, over, onClose, onDone }: Props) {
  const given = over?.satellites ?? satellites;
  const [whom, setWhom] = useState<Whom>(() => whomAtFirst(given, over));
  const [follow, setFollow] = useState(
    over === undefined ? saved !== undefined && saved.sql === sql : over.query !== null,
  );
  const followed = over === undefined ? saved?.id : (over.query ?? undefined);

  async function submit(form: FormData): Promise<void> {
    const body: ScheduleBody = {
      name: String(form.get('name')),
      everySeconds: Number(form.get('every')),
      timeoutMs: over?.timeoutMs ?? 10_000,
      maxRows: Number(form.get('maxRows')),
      paused: over?.state === 'paused',
      ...(follow && followed !== undefined ? { query: followed } : { sql: String(form.get('sql')) }),
      ...(whom === 'tags' ? { tags: parseTags(String(form.get('tags'))) } : {}),
      ...(whom === 'these' && given !== undefined && given !== null ? { satellites: given } : {}),
      expect: over?.version ?? 0,
    };
    onDone(await (over === undefined ? create(body) : putSchedule(over.id, body)));
  }
  return (
    <FormDialog
      title={over === undefined ? 'Run this query regularly' : `Change ${over.name}`}
      action={over === undefined ? 'Schedule' : 'Save'}
      onClose={onClose}
      onSubmit={submit}
    >
      <label>
        Name{' '}
        <input name="name" required maxLength={200} defaultValue={over?.name ?? saved?.name ?? ''} autocomplete="off" />
      </label>
      <EveryField seconds={over?.everySeconds ?? 300} />
      <WhomField whom={whom} onWhom={setWhom} given={given} tags={over?.tags ?? {}} />
      <label>
        At most so many rows of each{' '}
        <input
          name="maxRows"
          type="number"
          required
          min={1}
          max={10_000}
          defaultValue={String(over?.maxRows ?? 1000)}
        />
      </label>
      {followed !== undefined && (
        <label class="check">
          <input type="checkbox" checked={follow} onChange={(e) => setFollow(e.currentTarget.checked)} /> the saved
          query{saved === undefined ? '' : ` “${saved.name}”`}, as it is each time
        </label>
      )}
      {!(follow && followed !== undefined) && (
        <label>
          SQL{' '}
          <textarea
            name="sql"
            required
            rows={4}
            spellcheck={false}
            maxLength={65_536}
            defaultValue={over?.sql ?? sql}
          />
        </label>
      )}
      <p class="hint">
        It runs with the rights that its owner has each time. Its last 10 runs are kept, of each the first 10,000 rows
        or 1 MiB.
      </p>
    </FormDialog>
  );
}

function whomAtFirst(given: string[] | null | undefined, over: Schedule | undefined): Whom {
  if (given !== undefined && given !== null) {
    return 'these';
  }
  return over !== undefined && Object.keys(over.tags).length > 0 ? 'tags' : 'all';
}

/** Makes a schedule with an id out of its name. */
async function create(body: ScheduleBody): Promise<Schedule> {
  const id = idOf(body.name);
  for (let n = 1; ; n += 1) {
    try {
      return await putSchedule(n === 1 && id !== '' ? id : `${id === '' ? 'schedule' : id}-${n}`, body);
    } catch (error) {
      // Another one has this id, which people see in command lines only.
      if (!(error instanceof ApiError) || error.status !== 409 || n === TRIES) {
        throw error;
      }
    }
  }
}

function EveryField({ seconds }: { seconds: number }) {
  const intervals = [...new Set([...INTERVALS, seconds])].sort((a, b) => a - b);
  return (
    <label>
      Every
      <select name="every">
        {intervals.map((s) => (
          <option key={s} value={String(s)} selected={s === seconds}>
            {intervalText(s)}
          </option>
        ))}
      </select>
    </label>
  );
}

function WhomField({
  whom,
  onWhom,
  given,
  tags,
}: {
  whom: Whom;
  onWhom: (whom: Whom) => void;
  /** Satellites that can be chosen as they are. */
  given: string[] | null | undefined;
  /** Tags that stand there at first. */
  tags: Record<string, string>;
}) {
  return (
    <>
      <fieldset class="options">
        <legend>Satellites</legend>
        <label>
          <input type="radio" name="whom" checked={whom === 'all'} onChange={() => onWhom('all')} />
          <span>All that are heard then</span>
        </label>
        <label>
          <input type="radio" name="whom" checked={whom === 'tags'} onChange={() => onWhom('tags')} />
          <span>Those that have tags</span>
        </label>
        {given !== undefined && given !== null && (
          <label>
            <input type="radio" name="whom" checked={whom === 'these'} onChange={() => onWhom('these')} />
            <span>
              These {given.length}
              <small>{given.join(', ')}</small>
            </span>
          </label>
        )}
      </fieldset>
      {whom === 'tags' && (
        <label>
          Tags, all of which it must have{' '}
          <input
            name="tags"
            required
            placeholder="place=cellar role=camera"
            autocomplete="off"
            maxLength={2000}
            defaultValue={tagText(tags).join(' ')}
          />
        </label>
      )}
    </>
  );
}
