import { useState } from 'preact/hooks';
import type { FleetTable } from '../../api/satellites.ts';
import { filterSchema } from '../logic/schema-tree.ts';

export interface SchemaProps {
  tables: FleetTable[];
  /** Satellites that were asked for their tables. */
  asked: number;
  onInsert: (word: string) => void;
}

/** The tables of the chosen satellites; a click puts a name where the editor's cursor is. */
export function SchemaBrowser({ tables, asked, onInsert }: SchemaProps) {
  const [filter, setFilter] = useState('');
  const shown = filterSchema(tables, filter);
  return (
    <>
      <input
        type="search"
        placeholder="Table or column"
        aria-label="Filter tables and columns"
        value={filter}
        onInput={(e) => setFilter(e.currentTarget.value)}
      />
      <div class="tree" data-kind="schema">
        {shown.map((t) => (
          <details key={t.name} open={filter !== ''}>
            <summary>
              {t.name}
              {t.on < asked && (
                <small title={`Not on the other ${asked - t.on} of the chosen satellites`}>
                  {' '}
                  on {t.on} of {asked}
                </small>
              )}
            </summary>
            <ul>
              <li>
                <button
                  type="button"
                  class="link strong"
                  onClick={() => onInsert(t.name)}
                  aria-label={`Insert table ${t.name}`}
                >
                  {t.name}
                </button>
              </li>
              {t.columns.map((c) => (
                <li key={c}>
                  <button type="button" class="link" onClick={() => onInsert(c)} aria-label={`Insert column ${c}`}>
                    {c}
                  </button>
                </li>
              ))}
            </ul>
          </details>
        ))}
        {shown.length === 0 && (
          <p class="hint">{tables.length === 0 ? 'The chosen satellites have told of no tables.' : 'Nothing fits.'}</p>
        )}
      </div>
    </>
  );
}
