import { z } from 'zod';
import { TOPICS, followSchema, type Topic } from '../../api/watch.ts';
import { API_PATHS } from '../api-paths.ts';
import { HttpProblem, forbidden } from '../http/problem.ts';
import { route as define } from '../http/route.ts';
import { oldestChange, watchable } from '../state/changes.ts';
import { openWatch } from '../watch.ts';

/** Who comes from another instance may have seen there what this one has not applied yet. */
const BEHIND_MS = 2_000;

const topicsSchema = z
  .string()
  .regex(new RegExp(`^(${TOPICS.join('|')})(,(${TOPICS.join('|')}))*$`))
  .default('overview');

export const route = define({
  method: 'GET',
  path: API_PATHS.watch,
  summary:
    'Server-sent events: "overview" as it changes; "fleet" with the satellites that have changed, and the ' +
    'heartbeats of those to follow, once a second at most; and "change" with the position as id for what the state ' +
    'holds, from since or Last-Event-ID on.',
  scope: 'self',
  query: z.strictObject({
    topics: topicsSchema,
    follow: followSchema.optional(),
    since: z.coerce.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER).optional(),
  }),
  reply: {
    type: 'text/event-stream',
    description:
      'Events "start" ({seq, version, user, role}), "overview" (an overview), "fleet" ({version, items, gone, ' +
      'beats, many}), "change" ({seq, topic, change, key, item}) and "end" ({reason}).',
  },
  stream: true,
  async handle({ ctx, cloud, query, caller }) {
    const topics = new Set(query.topics.split(',') as Topic[]);
    for (const topic of topics) {
      if (!watchable(topic, caller)) {
        throw forbidden(`${caller.actor} may not watch "${topic}".`);
      }
    }
    const lastId = ctx.get('last-event-id');
    const since = /^\d{1,15}$/.test(lastId) ? Number(lastId) : query.since;
    if (since !== undefined && since > cloud.state.replica().position()) {
      await cloud.state.replica().waitFor(since, BEHIND_MS);
    }
    const { db, position } = { db: cloud.state.replica().db, position: cloud.state.replica().position() };
    if (since !== undefined && (since > position || since < oldestChange(db) - 1)) {
      throw new HttpProblem(
        410,
        'compacted',
        `The changes after position ${since} are not known any more. Read everything anew and watch from there.`,
      );
    }
    openWatch(ctx, cloud, caller, { topics, since: since ?? position, follow: new Set(query.follow?.split(',')) });
  },
});
