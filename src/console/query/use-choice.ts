import { useState } from 'preact/hooks';
import type { FleetSummary } from '../../api/satellites.ts';
import { fits, wordsOf } from '../../cloud/satellites-match.ts';
import { HEARD, heardOf } from '../logic/satellite-list.ts';
import { useLoaded, type Loaded } from '../parts/context.ts';
import { useFleet, useFleetChange } from '../parts/fleet.ts';
import { readTables } from '../resources.ts';
import { MOST_CHOSEN, SOME_CHIPS, askedOf, type ChoiceProps } from './choice.tsx';

/** Tables of so many are put together, where not those of all. */
const MOST_NAMED = 100;
/**
 * Whom there is to ask, and which tables, is read anew at most so often: this page stays while others are looked at.
 */
const AGAIN_MS = 5_000;

interface Choice {
  /** What there is to choose from, as far as it fits the filter. */
  choice: Omit<ChoiceProps, 'chosen' | 'onChoose'>;
  /** The chosen ones by name; undefined where all are asked without naming them. */
  named: string[] | undefined;
  /** How many are asked. */
  asked: number;
  /** The tables of the chosen ones. */
  tables: Loaded<Awaited<ReturnType<typeof readTables>>>;
}

/** Whom there is to ask. @param chosen ids; all are asked without them, those too that appear later */
export function useChoice(fleet: FleetSummary, chosen: ReadonlySet<string> | undefined): Choice {
  const [filter, setFilter] = useState('');
  const total = heardOf(fleet);
  // Of few all are known here; of many those that fit are asked for, and all are asked without naming them.
  const whole = total <= MOST_CHOSEN;
  const { satellites = [], matched } = useFleet(
    whole ? { state: HEARD, limit: MOST_CHOSEN } : { state: HEARD, text: filter.trim(), limit: SOME_CHIPS },
    false,
    AGAIN_MS,
  );
  const ids = whole ? satellites.map((s) => s.id) : undefined;
  const fitting = whole ? satellites.filter((s) => fits(s, wordsOf(filter))) : satellites;
  const named = chosen === undefined ? ids : [...chosen].filter((id) => ids?.includes(id) ?? true);
  const asked = askedOf(chosen, ids, whole ? satellites.length : total);
  const of = chosen === undefined || chosen.size === 0 || chosen.size > MOST_NAMED ? undefined : [...chosen].sort();
  const tables = useLoaded(undefined, () => readTables(of), undefined, of?.join());
  useFleetChange(tables.reload, AGAIN_MS);
  return {
    choice: {
      fitting,
      matched: whole ? fitting.length : matched,
      total: whole ? satellites.length : total,
      ids,
      filter,
      onFilter: setFilter,
    },
    named,
    asked,
    tables,
  };
}
