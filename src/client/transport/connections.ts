/** Number of requests of one transfer in flight at once: worker threads have work while other
 *  requests wait for the network. */
export function connectionsFor(threads: number): number {
  return Math.min(4, Math.max(2, threads))
}
