import { pausing } from '../../schedule-pause.ts';

export const command = pausing(false, 'Have a schedule run again that was paused, or that the cloud has stopped');
