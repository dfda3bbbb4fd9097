import { connectBus, type BusTls } from '../../../src/bus/connect.ts';

/** Answers each message with itself, over a connection as a satellite's. */
const { servers, tls } = JSON.parse(process.argv[2] ?? '') as { servers: string[]; tls: BusTls };
const nc = await connectBus({ servers, tls, name: 'echo' });
nc.subscribe('bench.echo', { callback: (_, msg) => void msg.respond(msg.data) });
await nc.flush();
process.send?.('ready');
