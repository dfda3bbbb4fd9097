import type { NatsConnection } from '@nats-io/transport-node';
import type { QueryLine, QueryState } from '../../api/queries.ts';
import { CREDIT_GROUP, encode } from '../../bus/frames.ts';
import { subjects } from '../../bus/subjects.ts';
import type { Part, Query } from './query.ts';

/** What the cloud does about a satellite's part of a query. */
export interface Parts {
  /** Tells the satellite that nothing more is wanted of it. */
  cancel(query: Query, sat: string): void;
  /** Ends a part with an error. */
  fail(query: Query, sat: string, part: Part, state: QueryState, code: string, message: string): void;
  /**
   * Gives back what is owed. Of nothing it says that it is not the reader who lets the satellite wait: who takes
   * nothing ends the query here.
   */
  grant(query: Query, sat: string, part: Part): void;
  /** Takes back one credit of a batch that the reader has got, and returns those that are owed in groups. */
  giveBack(query: Query, sat: string): void;
  /** Ends those that still have rows when no more are wanted. @param ms since the query's start */
  enough(query: Query, ms: number): QueryLine[];
}

/** @param now the monotonic clock, in milliseconds */
export function createParts(nc: NatsConnection, now: () => number): Parts {
  const cancel = (query: Query, sat: string): void => nc.publish(subjects.cancel(sat), encode({ q: query.id }));
  const grant = (query: Query, sat: string, part: Part): void => {
    nc.publish(subjects.credit(sat), encode({ q: query.id, credits: part.owed }));
    part.credits += part.owed;
    part.owed = 0;
    part.grantedAt = now();
  };
  return {
    cancel,
    grant,
    fail(query, sat, part, state, code, message) {
      part.state = state;
      part.pieces = [];
      pushLine(query, { q: query.id, sat, error: { code, message } });
    },
    giveBack(query, sat) {
      const part = query.parts.get(sat);
      if (part === undefined || part.state !== 'pending') {
        return;
      }
      part.owed += 1;
      if (part.owed >= Math.min(CREDIT_GROUP, query.credits)) {
        grant(query, sat, part);
      }
    },
    enough: (query, ms) =>
      [...query.parts]
        .filter(([, part]) => part.state === 'pending')
        .map(([sat, part]) => {
          part.state = part.rows > 0 ? 'rows' : 'empty';
          cancel(query, sat);
          return { q: query.id, sat, end: { rows: part.rows, ms } };
        }),
  };
}

/** Gives a line to the query's reader. @param credits what it cost, of a batch */
export function pushLine(query: Query, line: QueryLine, json?: string, credits?: number): void {
  query.lines.push(line, json, credits);
  query.wake();
}
