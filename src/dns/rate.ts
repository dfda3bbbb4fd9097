import { clientOf } from '../client-address.ts';

/** Answers that one client gets in a second. */
export const ANSWERS_PER_S = 50;
const MAX_CLIENTS = 10_000;

export type Verdict = 'answer' | 'truncate' | 'drop';

/**
 * Who asks more than 50 times in a second gets answers without content that say "come by TCP" (TC), and beyond 50 of
 * those nothing. Such an answer is no longer than its question, so that a forged sender is sent no more than was sent
 * for it, and who really is there can come by TCP, where nobody can forge a sender: dropping alone would let a forger
 * cut a resolver off.
 */
export interface RateLimit {
  udp(address: string): Verdict;
  tcp(address: string): Verdict;
}

export function createRateLimit(now: () => number): RateLimit {
  const counts = new Map<string, { second: number; count: number }>();
  const count = (key: string): number => {
    const second = Math.floor(now() / 1000);
    const known = counts.get(key);
    const entry =
      known === undefined || known.second !== second ? { second, count: 1 } : { second, count: known.count + 1 };
    // The one that was heard longest ago is first.
    counts.delete(key);
    counts.set(key, entry);
    if (counts.size > MAX_CLIENTS) {
      for (const oldest of counts.keys()) {
        counts.delete(oldest);
        break;
      }
    }
    return entry.count;
  };
  return {
    udp(address) {
      const asked = count(`udp ${clientOf(address)}`);
      if (asked <= ANSWERS_PER_S) {
        return 'answer';
      }
      return asked <= 2 * ANSWERS_PER_S ? 'truncate' : 'drop';
    },
    tcp: (address) => (count(`tcp ${clientOf(address)}`) <= ANSWERS_PER_S ? 'answer' : 'drop'),
  };
}
