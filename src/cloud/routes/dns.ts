import { consoleNameIn, satelliteNameIn } from '../../../installer/cluster/zone.ts';
import { API_PATHS } from '../api.ts';
import { consoleServers } from '../direct/dns.ts';
import { dnsReply } from '../direct-api.ts';
import { route as define } from '../http/route.ts';

export const route = define({
  method: 'GET',
  path: API_PATHS.dns,
  summary: "The cloud's own DNS zone, its servers, and the authority of satellites' own endpoints.",
  scope: 'read',
  reply: dnsReply,
  handle({ cloud }) {
    const { zone } = cloud.direct;
    const servers = cloud.servers();
    const hosts = [
      ...consoleServers(servers, cloud.overview().clouds).map((s) => `${s.address} ${consoleNameIn(zone)}`),
      ...[...cloud.registry.ids()].flatMap((id) => cloud.registry.get(id)?.addresses.map((address) => `${address} ${satelliteNameIn(zone, id)}`) ?? []),
    ];
    return { zone, port: cloud.dnsPort, servers, authority: cloud.direct.certificate() ?? null, hosts };
  },
});
