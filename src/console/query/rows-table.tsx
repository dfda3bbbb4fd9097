import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { cellText, isNumeric, widthsOf, windowOf } from '../logic/grid.ts';
import type { Result } from '../logic/result.ts';

/** Pixels of a row; the style sheet makes them so high. */
const ROW_PX = 28;
/** Rows after which widths and alignment stay as they are. */
const SAMPLE = 200;

/** A table that scrolls through any number of rows: the page holds those that are seen and some more. */
export function RowsTable({ result: { columns, rows, parts } }: { result: Result }) {
  const several = parts.size > 1;
  const scroller = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 600 });
  useLayoutEffect(() => {
    const element = scroller.current;
    if (element === null) {
      return undefined;
    }
    const measure = (): void => setView({ top: element.scrollTop, height: element.clientHeight });
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    element.addEventListener('scroll', measure, { passive: true });
    return () => {
      observer.disconnect();
      element.removeEventListener('scroll', measure);
    };
  }, []);

  const sampled = Math.min(rows.length, SAMPLE);
  const widths = useMemo(() => widthsOf(columns, rows), [columns.join('\0'), rows, sampled]);
  const numeric = useMemo(() => columns.map((_, i) => isNumeric(i, rows)), [columns.join('\0'), rows, sampled]);
  const widestSatellite = useMemo(() => Math.max(9, ...[...parts.keys()].map((s) => s.length)), [parts.size]);
  const { first, end } = windowOf(view.top, view.height, ROW_PX, rows.length);
  const gap = (count: number, key: string) =>
    count > 0 ? (
      <tr key={key} class="gap" aria-hidden="true">
        <td colSpan={columns.length + 1} style={{ height: `${count * ROW_PX}px` }} />
      </tr>
    ) : null;
  return (
    <div class="rows" ref={scroller} tabIndex={0} role="region" aria-label="Rows">
      <table data-kind="result" aria-rowcount={rows.length + 1}>
        <colgroup>
          {several && <col style={{ width: `calc(${Math.min(30, widestSatellite)}ch + 1.8rem)` }} />}
          {widths.map((w, i) => (
            <col key={i} style={{ width: `calc(${w}ch + 1.8rem)` }} />
          ))}
        </colgroup>
        <thead>
          <tr>
            {several && <th>satellite</th>}
            {columns.map((c, i) => (
              <th key={i} class={numeric[i] === true ? 'number' : undefined} title={c}>
                {c}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {gap(first, 'before')}
          {rows.slice(first, end).map((row, i) => (
            <tr key={first + i} aria-rowindex={first + i + 2} class={(first + i) % 2 === 1 ? 'odd' : undefined}>
              {several && <td>{row.sat}</td>}
              {columns.map((_, j) => {
                const value = row.values[j] ?? null;
                const text = cellText(value);
                return (
                  <td
                    key={j}
                    class={typeof value === 'number' ? 'number' : 'mono'}
                    title={text.length > 40 ? text : undefined}
                  >
                    {value === null ? <i class="null">null</i> : text}
                  </td>
                );
              })}
            </tr>
          ))}
          {gap(rows.length - end, 'after')}
        </tbody>
      </table>
    </div>
  );
}
