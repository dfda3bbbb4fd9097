/** How well something is, for its colour. */
export type Tone = 'good' | 'warn' | 'bad' | 'idle';
