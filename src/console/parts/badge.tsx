import type { ComponentChildren } from 'preact';
import type { Tone } from '../logic/tone.ts';

/** A state in words, with a dot in its colour: never told by colour alone. */
export function Badge({
  tone,
  title,
  children,
}: {
  tone: Tone;
  title?: string | undefined;
  children: ComponentChildren;
}) {
  return (
    <span class={`badge ${tone}`} title={title}>
      {children}
    </span>
  );
}
