import { useState } from 'preact/hooks';
import type { Schedule } from '../../api/schedules.ts';
import { intervalText } from '../../interval-text.ts';
import { may } from '../logic/access.ts';
import { addressOf } from '../logic/location.ts';
import { RUN_TONE, SCHEDULE_TONE, failuresOf } from '../logic/schedule.ts';
import { ago, ahead } from '../logic/time.ts';
import { Badge } from '../parts/badge.tsx';
import { useConsole, useLoaded, useNow } from '../parts/context.ts';
import { Empty, PageHead, Tags } from '../parts/table.tsx';
import { ScheduleDialog } from '../query/schedule-dialog.tsx';
import { listSchedules } from '../resources.ts';

export function SchedulesPage() {
  const { me, say } = useConsole();
  const now = useNow();
  const [filter, setFilter] = useState('');
  const [making, setMaking] = useState(false);
  const { data, error, reload } = useLoaded('schedules', listSchedules);
  const shown = data?.filter((s) =>
    `${s.name} ${s.id} ${s.owner} ${s.state}`.toLowerCase().includes(filter.toLowerCase()),
  );
  return (
    <>
      <PageHead title="Schedules" hint="Queries that run by themselves; the answers of the last runs are kept.">
        {may(me, 'query') && (
          <button type="button" class="primary" onClick={() => setMaking(true)}>
            New schedule
          </button>
        )}
      </PageHead>
      <p class="message" role="alert">
        {error}
      </p>
      <section class="card">
        <div class="head">
          <input
            type="search"
            placeholder="Name, owner, state"
            aria-label="Filter schedules"
            value={filter}
            onInput={(e) => setFilter(e.currentTarget.value)}
          />
          <span class="spring" />
          <span class="hint" role="status">
            {shown?.length === data?.length ? `${data?.length ?? ''}` : `${shown?.length} of ${data?.length}`}
          </span>
        </div>
        <SchedulesTable schedules={shown} now={now} none={data?.length === 0 ? 'None yet.' : 'Nothing fits.'} />
      </section>
      {making && (
        <ScheduleDialog
          sql=""
          onClose={() => setMaking(false)}
          onDone={(made) => {
            setMaking(false);
            say(`${made.name} will run every ${intervalText(made.everySeconds)}.`);
            reload();
          }}
        />
      )}
    </>
  );
}

function SchedulesTable({
  schedules,
  now,
  none,
}: {
  schedules: Schedule[] | undefined;
  now: number;
  /** What stands there instead of rows. */
  none: string;
}) {
  return (
    <div class="scroll">
      <table data-kind="schedules">
        <thead>
          <tr>
            <th>Name</th>
            <th>State</th>
            <th>Every</th>
            <th>Asks</th>
            <th>Last run</th>
            <th class="number">Rows</th>
            <th>Next run</th>
            <th class="number">Failures</th>
            <th>Owner</th>
          </tr>
        </thead>
        <tbody>
          {schedules?.map((s) => (
            <tr key={s.id}>
              <th scope="row">
                <a href={addressOf('schedules', s.id)}>{s.name}</a>
                {s.name !== s.id && <small class="reason">{s.id}</small>}
              </th>
              <td>
                <Badge tone={SCHEDULE_TONE[s.state]}>{s.state}</Badge>
                {s.reason !== '' && <small class="reason">{s.reason}</small>}
              </td>
              <td>{intervalText(s.everySeconds)}</td>
              <td>
                <Asks schedule={s} />
              </td>
              <td>
                {s.last === null ? (
                  'never'
                ) : (
                  <>
                    <Badge tone={RUN_TONE[s.last.state]} title={s.last.reason}>
                      {s.last.state}
                    </Badge>{' '}
                    <small>{ago(s.last.begunAt, now)} ago</small>
                  </>
                )}
              </td>
              <td class="number">
                {s.last === null || s.last.state === 'running' ? '' : s.last.rows.toLocaleString('en-US')}
              </td>
              <td>{s.nextAt === null ? '–' : ahead(s.nextAt, now)}</td>
              <td class="number">{failuresOf(s)}</td>
              <td>{s.owner}</td>
            </tr>
          ))}
          {schedules?.length === 0 && <Empty columns={9}>{none}</Empty>}
        </tbody>
      </table>
    </div>
  );
}

/** Which satellites it asks. */
export function Asks({ schedule: { satellites, tags } }: { schedule: Schedule }) {
  if (satellites !== null) {
    return (
      <span title={satellites.join('\n')}>
        {satellites.length === 1 ? satellites[0] : `${satellites.length} satellites`}
      </span>
    );
  }
  return Object.keys(tags).length === 0 ? <>all</> : <Tags tags={tags} />;
}
