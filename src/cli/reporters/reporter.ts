import type { PlanEvent } from '../../../installer/plan/types.ts';

/** Shows what a coordinator tells. */
export interface Reporter {
  event(event: PlanEvent): void;
  /** After the last event, or when watching ends before: leaves the terminal as it was found. */
  finish(): Promise<void>;
}
