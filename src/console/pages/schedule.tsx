import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Schedule, ScheduleRun } from '../../api/schedules.ts';
import { intervalText } from '../../interval-text.ts';
import { may } from '../logic/access.ts';
import { addressOf } from '../logic/location.ts';
import type { Result } from '../logic/result.ts';
import { CAUSES, RUN_TONE, SCHEDULE_TONE, cutText, failuresOf, tookText } from '../logic/schedule.ts';
import { ahead } from '../logic/time.ts';
import { Badge } from '../parts/badge.tsx';
import { useAction, useConsole, useLoaded, useNow } from '../parts/context.ts';
import { FormDialog } from '../parts/dialog.tsx';
import { Empty, PageHead, Time } from '../parts/table.tsx';
import { ResultView } from '../query/result-view.tsx';
import { ScheduleDialog } from '../query/schedule-dialog.tsx';
import { deleteSchedule, pauseSchedule, readRun, readSchedule, runSchedule } from '../resources.ts';
import { Asks } from './schedules.tsx';

export function SchedulePage({ id }: { id: string }) {
  // `null`: read, and not there.
  const { data, error, reload } = useLoaded(
    'schedules',
    async () => (await readSchedule(id)) ?? null,
    (line) => line.key === id,
  );
  return (
    <>
      <nav class="crumbs" aria-label="Where this is">
        <a href={addressOf('schedules')}>Schedules</a>
      </nav>
      {data === undefined || data === null ? (
        <>
          <PageHead title={id} />
          <p class="message" role="alert">
            {error}
          </p>
          {data === null && <p class="notice">There is no schedule of this name.</p>}
        </>
      ) : (
        <Found schedule={data.schedule} runs={data.runs} error={error} reload={reload} />
      )}
    </>
  );
}

type Doing = 'change' | 'delete';

function Found({
  schedule,
  runs,
  error,
  reload,
}: {
  schedule: Schedule;
  runs: ScheduleRun[];
  error: string | undefined;
  reload: () => void;
}) {
  const { me, say } = useConsole();
  const now = useNow();
  const action = useAction();
  const [doing, setDoing] = useState<Doing | undefined>(undefined);
  const [chosen, setChosen] = useState<number | undefined>(undefined);
  const changes = may(me, 'query') && (schedule.owner === me.user || may(me, 'admin'));
  const shown = runs.find((r) => r.number === chosen) ?? runs.find((r) => r.state !== 'running');
  return (
    <>
      <PageHead title={schedule.name}>
        {changes && (
          <Actions
            schedule={schedule}
            action={action}
            onRun={() => {
              setChosen(undefined);
              reload();
            }}
            onPaused={reload}
            onDo={setDoing}
          />
        )}
      </PageHead>
      <p class="message" role="alert">
        {action.error ?? error}
      </p>
      <section class="card" aria-label="What it does">
        <dl class="facts">
          {factsOf(schedule, now).map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
      </section>
      <section class="card">
        <div class="head">
          <h2>Last runs</h2>
        </div>
        <RunsTable runs={runs} shown={shown} onShow={may(me, 'query') ? setChosen : undefined} />
      </section>
      {may(me, 'query') && shown !== undefined && <RunRows key={shown.number} run={shown} />}
      {doing === 'change' && (
        <ScheduleDialog
          sql={schedule.sql ?? ''}
          over={schedule}
          onClose={() => setDoing(undefined)}
          onDone={() => {
            setDoing(undefined);
            say(`${schedule.name} has been changed.`);
            reload();
          }}
        />
      )}
      {doing === 'delete' && <DeleteDialog schedule={schedule} onClose={() => setDoing(undefined)} />}
    </>
  );
}

function factsOf(schedule: Schedule, now: number): [string, ComponentChildren][] {
  return [
    [
      'State',
      <>
        <Badge tone={SCHEDULE_TONE[schedule.state]}>{schedule.state}</Badge>
        {schedule.reason !== '' && <small class="reason">{schedule.reason}</small>}
      </>,
    ],
    ['Every', intervalText(schedule.everySeconds)],
    ['Asks', <Asks schedule={schedule} />],
    ['Next run', schedule.nextAt === null ? '–' : ahead(schedule.nextAt, now)],
    [
      'Runs',
      `${schedule.counts.done} done, ${failuresOf(schedule)} not, ${schedule.counts.skipped} skipped, ` +
        `${schedule.counts.missed} missed`,
    ],
    ['Owner', schedule.owner],
    ['Id', <span class="mono">{schedule.id}</span>],
    ['Query', schedule.sql === null ? `the saved one ${schedule.query}` : <code>{schedule.sql}</code>],
  ];
}

function Actions({
  schedule,
  action,
  onRun,
  onPaused,
  onDo,
}: {
  schedule: Schedule;
  action: ReturnType<typeof useAction>;
  onRun: () => void;
  onPaused: () => void;
  onDo: (doing: Doing) => void;
}) {
  return (
    <>
      <button
        type="button"
        class="primary"
        disabled={action.busy || schedule.last?.state === 'running' || schedule.state === 'stopped'}
        onClick={() => action.run(() => runSchedule(schedule.id), onRun)}
      >
        Run now
      </button>
      <button
        type="button"
        disabled={action.busy}
        onClick={() => action.run(() => pauseSchedule(schedule, schedule.state === 'enabled'), onPaused)}
      >
        {schedule.state === 'enabled' ? 'Pause' : 'Resume'}
      </button>
      <button type="button" onClick={() => onDo('change')}>
        Change…
      </button>
      <button type="button" class="danger" onClick={() => onDo('delete')}>
        Delete…
      </button>
    </>
  );
}

/** @param onShow shows the rows of a run; undefined where they may not be seen */
function RunsTable({
  runs,
  shown,
  onShow,
}: {
  runs: ScheduleRun[];
  shown: ScheduleRun | undefined;
  onShow: ((number: number) => void) | undefined;
}) {
  return (
    <div class="scroll">
      <table data-kind="runs">
        <thead>
          <tr>
            <th>Run</th>
            <th>State</th>
            <th>Began</th>
            <th>Took</th>
            <th>Why</th>
            <th>Run by</th>
            <th>Satellites</th>
            <th class="number">Rows</th>
            {onShow !== undefined && (
              <th>
                <span class="sr">Rows</span>
              </th>
            )}
          </tr>
        </thead>
        <tbody>
          {runs.map((run) => (
            <RunLine key={run.number} run={run} shown={run.number === shown?.number} onShow={onShow} />
          ))}
          {runs.length === 0 && <Empty columns={9}>It has not run yet.</Empty>}
        </tbody>
      </table>
    </div>
  );
}

function DeleteDialog({ schedule, onClose }: { schedule: Schedule; onClose: () => void }) {
  const { say } = useConsole();
  return (
    <FormDialog
      title={`Delete ${schedule.name}?`}
      action="Delete"
      danger
      onClose={onClose}
      onSubmit={async () => {
        await deleteSchedule(schedule.id);
        onClose();
        say(`${schedule.name} has been deleted.`);
        location.hash = addressOf('schedules');
      }}
    >
      <p>Its runs and their rows go with it.</p>
    </FormDialog>
  );
}

function RunLine({
  run,
  shown,
  onShow,
}: {
  run: ScheduleRun;
  shown: boolean;
  onShow: ((number: number) => void) | undefined;
}) {
  return (
    <tr>
      <th scope="row">{run.number}</th>
      <td>
        <Badge tone={RUN_TONE[run.state]}>{run.state}</Badge>
        {run.reason !== '' && <small class="reason">{run.reason}</small>}
      </td>
      <td>
        <Time at={run.begunAt} seconds />
      </td>
      <td>{tookText(run)}</td>
      <td>
        {CAUSES[run.cause]}
        {run.cause === 'asked' && ` by ${run.actor}`}
      </td>
      <td>{run.runner}</td>
      <td>
        {Object.entries(run.counts)
          .map(([state, n]) => `${n} ${state === 'rows' ? 'with rows' : state}`)
          .join(', ')}
      </td>
      <td class="number">{run.state === 'running' ? '' : run.rows.toLocaleString('en-US')}</td>
      {onShow !== undefined && (
        <td>
          <div class="row-actions">
            {run.state !== 'running' && (
              <button
                type="button"
                aria-pressed={shown}
                aria-label={`Show the rows of run ${run.number}`}
                onClick={() => onShow(run.number)}
              >
                Rows
              </button>
            )}
          </div>
        </td>
      )}
    </tr>
  );
}

function RunRows({ run }: { run: ScheduleRun }) {
  const action = useAction();
  const [result, setResult] = useState<Result | undefined>(undefined);
  // What is kept of a run may be dropped later.
  useEffect(() => action.run(() => readRun(run), setResult), [run.cut]);
  return (
    <>
      <p class="message" role="alert">
        {action.error}
      </p>
      {run.cut !== '' && (
        <p class="notice" role="status">
          {cutText(run)}
        </p>
      )}
      {result !== undefined && result.parts.size > 0 && <ResultView result={result} running={false} />}
    </>
  );
}
