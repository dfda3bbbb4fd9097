import type { ComponentChildren } from 'preact';
import { tagText } from '../logic/enrolment.ts';

export function Empty({ columns, children }: { columns: number; children: ComponentChildren }) {
  return (
    <tr>
      <td class="empty" colSpan={columns}>
        {children}
      </td>
    </tr>
  );
}

export function Tags({ tags }: { tags: Record<string, string> }) {
  return (
    <>
      {tagText(tags).map((tag) => (
        <span key={tag} class="tag">
          {tag}
        </span>
      ))}
    </>
  );
}

/** A time as the reader's clock has it, with the exact one to point at. */
export function Time({ at, seconds }: { at: string; seconds?: boolean }) {
  return (
    <time dateTime={at} title={at}>
      {new Date(at).toLocaleString(undefined, {
        dateStyle: 'medium',
        timeStyle: seconds === true ? 'medium' : 'short',
      })}
    </time>
  );
}

/** A page's title, and what can be done on it. */
export function PageHead({
  title,
  hint,
  children,
}: {
  title: ComponentChildren;
  hint?: ComponentChildren;
  children?: ComponentChildren;
}) {
  return (
    <div class="page-head">
      <div>
        <h1 tabIndex={-1}>{title}</h1>
        {hint !== undefined && <p class="hint">{hint}</p>}
      </div>
      <span class="spring" />
      {children}
    </div>
  );
}
