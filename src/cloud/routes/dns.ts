import { API_PATHS } from '../api-paths.ts';
import { dnsReply } from '../direct-api.ts';
import { hostsLines } from '../direct/dns.ts';
import { route as define } from '../http/route.ts';

export const route = define({
  method: 'GET',
  path: API_PATHS.dns,
  summary: "The cloud's own DNS zone, its servers, and the authority of satellites' own endpoints.",
  scope: 'read',
  reply: dnsReply,
  handle({ cloud }) {
    const { zone } = cloud.direct;
    const hosts = hostsLines({
      zone,
      servers: cloud.servers,
      clouds: () => cloud.overview().clouds,
      registry: cloud.registry,
    });
    return {
      zone,
      port: cloud.dnsPort,
      servers: cloud.servers(),
      authority: cloud.direct.certificate() ?? null,
      hosts,
    };
  },
});
