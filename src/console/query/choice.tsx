import { useState } from 'preact/hooks';
import type { SatelliteInfo } from '../../cloud/api.ts';
import { listSatellites } from '../logic/satellite-list.ts';

/** So many are shown without being looked for. */
const SOME = 60;

/** Which satellites are asked; `undefined` are all. */
export function SatelliteChoice({ satellites, chosen, onChoose }: { satellites: SatelliteInfo[]; chosen: ReadonlySet<string> | undefined; onChoose: (chosen: ReadonlySet<string> | undefined) => void }) {
  const [filter, setFilter] = useState('');
  const toggle = (id: string): void => {
    const next = new Set(chosen ?? satellites.map((s) => s.id));
    if (!next.delete(id)) next.add(id);
    onChoose(next.size === satellites.length && satellites.every((s) => next.has(s.id)) ? undefined : next);
  };
  const fitting = listSatellites(satellites, filter, 'id');
  const asked = satellites.filter((s) => chosen?.has(s.id) ?? true).length;
  return (
    <fieldset class="chips">
      <legend>Satellites: {asked} of {satellites.length}</legend>
      {satellites.length > 1 && (
        <>
          <button type="button" class="small" onClick={() => onChoose(undefined)} disabled={chosen === undefined}>All</button>
          <button type="button" class="small" onClick={() => onChoose(new Set())} disabled={asked === 0}>None</button>
        </>
      )}
      {satellites.length > 3 && (
        <>
          <input type="search" class="small" placeholder="Name, tag" aria-label="Filter the satellites to choose from" title="Name, tag, address, state" value={filter} onInput={(e) => setFilter(e.currentTarget.value)} />
          {filter !== '' && <button type="button" class="small" onClick={() => onChoose(new Set(fitting.map((s) => s.id)))}>Only these {fitting.length}</button>}
        </>
      )}
      <div class="chip-list">
        {fitting.slice(0, SOME).map((s) => (
          <label key={s.id} class="chip">
            <input type="checkbox" checked={chosen?.has(s.id) ?? true} onChange={() => toggle(s.id)} /> {s.id}
            {s.state !== 'healthy' && <small> ({s.state})</small>}
          </label>
        ))}
        {fitting.length > SOME && <span class="hint">and {fitting.length - SOME} more</span>}
        {satellites.length === 0 && <span class="hint">None has been heard yet.</span>}
      </div>
    </fieldset>
  );
}
