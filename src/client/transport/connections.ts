/** How many requests of one transfer are under way at once: threads have work while others of them wait for the network. */
export function connectionsFor(threads: number): number {
  return Math.min(4, Math.max(2, threads))
}
