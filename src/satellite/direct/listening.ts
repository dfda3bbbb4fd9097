import type { Endpoint } from './endpoint.ts';
import type { Exchange } from './exchange.ts';

const LISTEN_AGAIN_MS = 10_000;

export interface ListeningOptions {
  endpoint: Endpoint;
  exchange: Exchange;
  /** Address to listen on; undefined: all. */
  address: string | undefined;
  /** Instead of the port that the cloud says. */
  port: number | undefined;
  stopped(): boolean;
  log(line: string): void;
  now(): number;
}

/** @returns what opens or closes the endpoint as the cloud has said last; one step, called again and again */
export function createListening(options: ListeningOptions): () => Promise<void> {
  const { endpoint, exchange, address, stopped, log, now } = options;
  let listenAgain = 0;
  let lastProblem = '';
  return async () => {
    const wanted = exchange.mayListen();
    const port = options.port ?? exchange.told()?.port ?? 0;
    if (endpoint.port() !== undefined && (!wanted || (port !== 0 && endpoint.port() !== port))) {
      await endpoint.close();
      log('direct: the endpoint is closed');
    }
    const pair = exchange.pair();
    if (!wanted || pair === undefined || endpoint.port() !== undefined || now() < listenAgain || stopped()) {
      return;
    }
    endpoint.show(pair);
    try {
      await endpoint.listen(address, port);
      lastProblem = '';
      log(`direct: answers on port ${endpoint.port()} as ${exchange.told()?.name}`);
    } catch (error) {
      listenAgain = now() + LISTEN_AGAIN_MS;
      const { message } = error as Error;
      if (message !== lastProblem) {
        log(`direct: ${message}`);
      }
      lastProblem = message;
    }
  };
}
