import { connectRedis } from './redis.ts';

/** The connector of the seed's benchmark over Redis: what comes on query-topic goes out on reply-topic. */
const { port } = JSON.parse(process.argv[2] ?? '') as { port: number };
const out = await connectRedis(port);
await connectRedis(port, { channel: 'query-topic', onMessage: (text) => out.publish('reply-topic', text) });
process.send?.('ready');
