import { pausing } from '../../schedule-pause.ts';

export const command = pausing(true, 'Let a schedule rest: its runs and rows stay');
