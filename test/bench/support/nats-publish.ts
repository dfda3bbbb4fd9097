import { connectBus, type BusTls } from '../../../src/bus/connect.ts';

/**
 * Publishes as many messages as it is told, as fast as the server takes them, and waits at times so that none has to
 * pile up.
 */
const { servers, tls, bytes } = JSON.parse(process.argv[2] ?? '') as { servers: string[]; tls: BusTls; bytes: number };
const nc = await connectBus({ servers, tls, name: 'publisher' });
const payload = new Uint8Array(bytes).fill(120);
/** A megabyte, as a satellite's credits. */
const UNDER_WAY = Math.max(1, Math.round(2 ** 20 / bytes));

process.on('message', (count: string) => {
  void (async () => {
    for (let n = 1; n <= Number(count); n += 1) {
      nc.publish('bench.stream', payload);
      if (n % UNDER_WAY === 0) {
        await nc.flush();
      }
    }
    await nc.flush();
    process.send?.('done');
  })();
});
process.send?.('ready');
