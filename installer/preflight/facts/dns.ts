import { randomBytes } from 'node:crypto';
import { Resolver } from 'node:dns/promises';
import { textOf } from './read.ts';

export interface DnsFacts {
  /** Search domains in which a name that nobody made exists (a wildcard record). */
  wildcards: string[];
  /** Search domains in which `localhost` exists, with what it is there. */
  localhosts: { domain: string; address: string }[];
}

const TIMEOUT_MS = 500;
const DOMAINS = 3;

/** Asks the machine's DNS servers, where there are any and a search domain is set; else nothing is sent. */
export async function gatherDns(): Promise<DnsFacts> {
  const text = (await textOf('/etc/resolv.conf')) ?? '';
  const search = (/^\s*(?:search|domain)\s+(.+)$/m.exec(text)?.[1] ?? '')
    .trim()
    .split(/\s+/)
    .filter((d) => d !== '' && d !== '.')
    .slice(0, DOMAINS);
  if (search.length === 0 || !/^\s*nameserver\s/m.test(text)) {
    return { wildcards: [], localhosts: [] };
  }
  const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: 1 });
  const ask = (name: string): Promise<string | undefined> =>
    resolver.resolve4(name).then(
      (a) => a[0],
      () => undefined,
    );
  const answers = await Promise.all(
    search.map(async (domain) => ({
      domain,
      random: await ask(`terrarium-${randomBytes(8).toString('hex')}.${domain}`),
      localhost: await ask(`localhost.${domain}`),
    })),
  );
  const wildcards = answers.filter((a) => a.random !== undefined).map((a) => a.domain);
  return {
    wildcards,
    localhosts: answers.flatMap((a) =>
      a.localhost === undefined || wildcards.includes(a.domain) ? [] : [{ domain: a.domain, address: a.localhost }],
    ),
  };
}
