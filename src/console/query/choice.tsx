import type { SatelliteInfo } from '../../api/satellites.ts';

/** So many are shown without being looked for. */
export const SOME_CHIPS = 60;
/** A query names no more than these one by one. */
export const MOST_CHOSEN = 1_000;

export interface ChoiceProps {
  /** Those that fit the filter: all of them, or as many as are shown. */
  fitting: SatelliteInfo[];
  /** How many fit. */
  matched: number;
  /** Of all that are heard. */
  total: number;
  /** Ids of all that are heard; undefined for more than a query can name. */
  ids: readonly string[] | undefined;
  filter: string;
  onFilter(filter: string): void;
  chosen: ReadonlySet<string> | undefined;
  onChoose(chosen: ReadonlySet<string> | undefined): void;
}

/** Which satellites are asked; `undefined` are all. */
export function SatelliteChoice({ fitting, matched, total, ids, filter, onFilter, chosen, onChoose }: ChoiceProps) {
  const toggle = (id: string): void => {
    // Where all cannot be named, one of them cannot be left out: it is taken alone.
    const next = new Set(chosen ?? ids ?? []);
    if (!next.delete(id)) {
      next.add(id);
    }
    onChoose(ids !== undefined && next.size === ids.length && ids.every((i) => next.has(i)) ? undefined : next);
  };
  const asked = askedOf(chosen, ids, total);
  const shown = fitting.slice(0, SOME_CHIPS);
  // A choice that the filter, or the page, does not show is to be seen nevertheless, as far as there is room.
  const others =
    filter === '' && chosen !== undefined
      ? [...chosen].filter((id) => !shown.some((s) => s.id === id)).slice(0, SOME_CHIPS)
      : [];
  return (
    <fieldset class="chips">
      <legend>
        Satellites: {asked} of {total}
      </legend>
      {total > 1 && (
        <>
          <button type="button" class="small" onClick={() => onChoose(undefined)} disabled={chosen === undefined}>
            All
          </button>
          <button type="button" class="small" onClick={() => onChoose(new Set())} disabled={asked === 0}>
            None
          </button>
        </>
      )}
      {total > 3 && (
        <>
          <input
            type="search"
            class="small"
            placeholder="Name, tag"
            aria-label="Filter the satellites to choose from"
            title="Name, tag, address, state"
            value={filter}
            onInput={(e) => onFilter(e.currentTarget.value)}
          />
          {filter !== '' && fitting.length === matched && (
            <button type="button" class="small" onClick={() => onChoose(new Set(fitting.map((s) => s.id)))}>
              Only these {matched}
            </button>
          )}
        </>
      )}
      <div class="chip-list">
        {shown.map((s) => (
          <label key={s.id} class="chip">
            <input type="checkbox" checked={chosen?.has(s.id) ?? true} onChange={() => toggle(s.id)} /> {s.id}
            {s.state !== 'healthy' && <small> ({s.state})</small>}
          </label>
        ))}
        {others.map((id) => (
          <label key={id} class="chip">
            <input type="checkbox" checked onChange={() => toggle(id)} /> {id}
          </label>
        ))}
        {matched > shown.length && <span class="hint">and {matched - shown.length} more</span>}
        {total === 0 && <span class="hint">None has been heard yet.</span>}
      </div>
    </fieldset>
  );
}

/** How many are asked; of a choice those only that are there, as far as that is known. */
export function askedOf(
  chosen: ReadonlySet<string> | undefined,
  ids: readonly string[] | undefined,
  total: number,
): number {
  if (chosen === undefined) {
    return total;
  }
  return ids === undefined ? chosen.size : ids.filter((id) => chosen.has(id)).length;
}
