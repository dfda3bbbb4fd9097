import { access } from 'node:fs/promises';
import { z } from 'zod';
import { nodePaths } from '../../cluster/paths.ts';
import type { Question } from './question.ts';
import { namesIn, textOf } from './read.ts';

/** What is here of this product already. */
export interface OwnFacts {
  /** DATA/node.json; null where this machine belongs to no cluster of ours. */
  node: { clusterId: string; cluster: string; name: string; address: string; role: string; state: string } | null;
  /** node.json is there but cannot be understood. */
  nodeBroken: boolean;
  prefixExists: boolean;
  dataExists: boolean;
  /** Ids of operations journaled here. */
  operations: string[];
}

const nodeSchema = z.object({
  clusterId: z.string(),
  cluster: z.string(),
  name: z.string(),
  address: z.string(),
  role: z.string(),
  state: z.string(),
});

export async function gatherOwn(question: Question): Promise<OwnFacts> {
  const paths = nodePaths(question);
  const there = (path: string): Promise<boolean> =>
    access(path).then(
      () => true,
      () => false,
    );
  const [text, operations, prefixExists, dataExists] = await Promise.all([
    textOf(paths.node),
    namesIn(paths.operations),
    there(question.prefix),
    there(question.data),
  ]);
  const parsed = text === undefined ? undefined : nodeSchema.safeParse(parseJson(text));
  return { node: parsed?.data ?? null, nodeBroken: parsed?.success === false, prefixExists, dataExists, operations };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
