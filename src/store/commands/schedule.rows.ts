import { z } from 'zod';
import { resourceId } from '../fields.ts';
import { defineCommand, refuse } from '../kind.ts';
import type { ScheduleRunRow } from '../rows.ts';
import { KEEP_PACKED, PIECE_BYTES, SCHEDULES_SCHEMA } from '../schedule-limits.ts';
import { readRun } from '../schedules.ts';

/**
 * A piece of a run's lines, before the run is finished. So that all of them have room, those of the oldest runs of all
 * schedules go.
 */
export const command = defineCommand({
  since: SCHEDULES_SCHEMA,
  audited: false,
  args: z.strictObject({
    schedule: resourceId,
    number: z.int().positive(),
    piece: z.int().nonnegative(),
    data: z
      .base64()
      .min(1)
      .max(Math.ceil(PIECE_BYTES / 3) * 4),
  }),
  apply(tx, { args }) {
    const { schedule, number, piece } = args;
    if (readRun(tx, schedule, number)?.state !== 'running') {
      refuse('version-conflict', `Run ${number} of the schedule ${schedule} is not under way.`);
    }
    if (
      tx.get('SELECT 1 FROM schedule_rows WHERE schedule = ? AND number = ? AND piece = ?', schedule, number, piece) !==
      undefined
    ) {
      refuse('exists', `Piece ${piece} is there already.`);
    }
    const data = Buffer.from(args.data, 'base64');
    tx.run(
      'INSERT INTO schedule_rows (position, schedule, number, piece, data) VALUES (?, ?, ?, ?, ?)',
      tx.position,
      schedule,
      number,
      piece,
      data,
    );
    tx.run(
      'UPDATE schedule_runs SET packed = packed + ?, position = ? WHERE schedule = ? AND number = ?',
      data.length,
      tx.position,
      schedule,
      number,
    );
    for (;;) {
      const { packed } = tx.get<{ packed: number | null }>('SELECT sum(packed) AS packed FROM schedule_runs') ?? {
        packed: 0,
      };
      const oldest = tx.get<ScheduleRunRow>(
        "SELECT * FROM schedule_runs WHERE packed > 0 AND state <> 'running' ORDER BY position LIMIT 1",
      );
      if ((packed ?? 0) <= KEEP_PACKED || oldest === undefined) {
        break;
      }
      tx.run('DELETE FROM schedule_rows WHERE schedule = ? AND number = ?', oldest.schedule, oldest.number);
      tx.run(
        "UPDATE schedule_runs SET packed = 0, kept = 0, cut = 'dropped', position = ? WHERE schedule = ? AND " +
          'number = ?',
        tx.position,
        oldest.schedule,
        oldest.number,
      );
    }
    return { changes: [] };
  },
});
