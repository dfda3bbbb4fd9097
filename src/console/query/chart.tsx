import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import {
  axesOf,
  chartData,
  numericColumns,
  shortNumber,
  timeLabels,
  type Axis,
  type ChartData,
} from '../logic/chart-data.ts';
import type { Result } from '../logic/result.ts';

const HEIGHT_PX = 340;
/** While rows come the chart is drawn anew this often. */
const PACE_MS = 500;
/** Bars where there are few rows without an order of their own. */
const MOST_BARS = 60;

function nameOf(axis: Axis, columns: string[]): string {
  return axis.kind === 'row' ? 'row number' : (columns[axis.column] ?? '');
}

export function Chart({ result, running }: { result: Result; running: boolean }) {
  const numbers = numericColumns(result);
  const axes = axesOf(result);
  const [picked, setPicked] = useState<string | undefined>(undefined);
  const [columns, setColumns] = useState<ReadonlySet<number> | undefined>(undefined);
  const axis: Axis = axes.find((a) => nameOf(a, result.columns) === picked) ?? axes[0] ?? { kind: 'row' };
  const candidates = numbers.filter((c) => axis.kind === 'row' || c !== axis.column);
  // At first one column: several seldom have the same unit.
  const shown = candidates.filter((c) => columns?.has(c) ?? c === preferred(result.columns, candidates));
  const toggle = (column: number): void => {
    const next = new Set(shown);
    if (!next.delete(column)) {
      next.add(column);
    }
    setColumns(next);
  };
  return (
    <div class="chart">
      <div class="chart-choice">
        <label class="inline">
          Along
          <select value={nameOf(axis, result.columns)} onChange={(e) => setPicked(e.currentTarget.value)}>
            {axes.map((a) => (
              <option key={nameOf(a, result.columns)}>{nameOf(a, result.columns)}</option>
            ))}
          </select>
        </label>
        <fieldset class="chips">
          <legend class="sr">Columns to draw</legend>
          <div class="chip-list">
            {candidates.map((c) => (
              <label key={c} class="chip">
                <input type="checkbox" checked={shown.includes(c)} onChange={() => toggle(c)} /> {result.columns[c]}
              </label>
            ))}
          </div>
        </fieldset>
      </div>
      {shown.length === 0 ? (
        <p class="hint">Choose a column of numbers.</p>
      ) : (
        <Plot result={result} running={running} axis={axis} columns={shown} />
      )}
    </div>
  );
}

/** Numbers that name things are seldom what somebody wants to see drawn. */
function preferred(names: string[], candidates: number[]): number | undefined {
  return candidates.find((c) => !/(^|_)(pid|ppid|uid|gid|id|cpu|port|inode|ms)$/.test(names[c] ?? '')) ?? candidates[0];
}

function Plot({ result, running, axis, columns }: { result: Result; running: boolean; axis: Axis; columns: number[] }) {
  const place = useRef<HTMLDivElement>(null);
  const [turn, setTurn] = useState(0);
  const dark = useDark();
  useEffect(() => {
    if (!running) {
      return undefined;
    }
    const timer = setInterval(() => setTurn((n) => n + 1), PACE_MS);
    return () => clearInterval(timer);
  }, [running]);
  const what = `${axis.kind} ${axis.kind === 'row' ? '' : axis.column} ${columns.join()} ${running ? turn : 'end'}`;
  const { series, data, left } = useMemo(() => chartData(result, axis, columns), [result.parts, what]);

  useEffect(() => {
    const element = place.current;
    if (element === null) {
      return undefined;
    }
    const plot = new uPlot(plotOptions(element, { axis, columns: result.columns, series, data, dark }), data, element);
    const observer = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: HEIGHT_PX }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      plot.destroy();
    };
  }, [data, dark]);
  return (
    <>
      <div
        class="plot"
        ref={place}
        role="img"
        aria-label={`Chart of ${series.map((s) => s.label).join(', ')} along ${nameOf(axis, result.columns)}`}
        data-points={data[0].length}
        data-series={series.length}
      />
      {axis.kind === 'time' && <p class="hint">Times are UTC.</p>}
      {left > 0 && <p class="hint">{left.toLocaleString('en-US')} rows have no place on this axis and are left out.</p>}
    </>
  );
}

interface Drawing extends Pick<ChartData, 'series' | 'data'> {
  axis: Axis;
  /** Names of the result's columns. */
  columns: string[];
  dark: boolean;
}

/** How it is drawn: the page's colours, bars where there are few rows, lines otherwise. */
function plotOptions(element: HTMLElement, { axis, columns, series, data, dark }: Drawing): uPlot.Options {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string): string => resolved(element, style.getPropertyValue(name));
  const text = colour('--soft');
  const line = { stroke: colour('--line'), width: 1 };
  const bars =
    axis.kind === 'row' && data[0].length <= MOST_BARS && series.length === 1
      ? uPlot.paths.bars?.({ size: [0.7, 60] })
      : undefined;
  return {
    width: element.clientWidth,
    height: HEIGHT_PX,
    scales: { x: { time: axis.kind === 'time' } },
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), 'Etc/UTC'),
    axes: [
      {
        stroke: text,
        grid: line,
        ticks: line,
        values: (_u: uPlot, all: number[], _axis: number, _space: number, step: number) =>
          axis.kind === 'time' ? timeLabels(all, step) : all.map(shortNumber),
      },
      {
        stroke: text,
        grid: line,
        ticks: line,
        size: 64,
        values: (_u: uPlot, all: number[]) => all.map(shortNumber),
      },
    ],
    series: [
      {
        label: nameOf(axis, columns),
        ...(axis.kind === 'time'
          ? { value: (_u: uPlot, at: number | null) => (at === null ? '–' : new Date(at * 1000).toISOString()) }
          : {}),
      },
      ...series.map((s, i): uPlot.Series => {
        const stroke = `hsl(${(150 + i * 137.5) % 360} ${dark ? '55% 62%' : '62% 38%'})`;
        return {
          label: s.label,
          stroke,
          width: 1.5,
          spanGaps: true,
          points: { show: data[0].length < 80 },
          ...(bars === undefined
            ? {}
            : { paths: bars, fill: `${stroke.slice(0, -1)} / 35%)`, points: { show: false } }),
        };
      }),
    ],
    legend: { live: true },
  };
}

/** A colour of the style sheet, with light-dark() decided: a canvas does not know that. */
function resolved(element: HTMLElement, value: string): string {
  const before = element.style.color;
  element.style.color = value;
  const colour = getComputedStyle(element).color;
  element.style.color = before;
  return colour;
}

/** Whether the page is dark now, by the system's wish or the reader's. */
function useDark(): boolean {
  const look = (): boolean => {
    const theme = document.documentElement.dataset['theme'];
    return theme === undefined ? matchMedia('(prefers-color-scheme: dark)').matches : theme === 'dark';
  };
  const [dark, setDark] = useState(look);
  useEffect(() => {
    const follow = (): void => setDark(look());
    const media = matchMedia('(prefers-color-scheme: dark)');
    const observer = new MutationObserver(follow);
    observer.observe(document.documentElement, { attributeFilter: ['data-theme'] });
    media.addEventListener('change', follow);
    return () => {
      observer.disconnect();
      media.removeEventListener('change', follow);
    };
  }, []);
  return dark;
}
