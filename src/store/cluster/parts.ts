import type { Peers, Pipe } from '../pipe.ts';

/** What an instance needs to be one of several. */
export interface ClusterParts {
  /** `streamPipe` of src/bus/stream.ts. */
  pipe: Pipe;
  /** `busPeers` of src/bus/instances.ts. */
  peers: Peers;
  /** All registered instances, this one included: 3 or 5. May change. */
  instances(): Instance[];
}

/** A registered instance. */
export interface Instance {
  name: string;
  /** Newest schema that its release supports; by default what it announces itself. */
  supports?: number;
}
