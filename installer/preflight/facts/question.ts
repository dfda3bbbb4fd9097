/** What the installer is about to use on a host; facts are gathered with regard to it. */
export interface Question {
  prefix: string;
  data: string;
  /** TCP ports that the cluster would use anywhere. */
  ports: number[];
}
