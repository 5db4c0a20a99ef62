/** What is remembered of the archives that were read last, so that a range that begins far behind need not be preceded by
 *  all that comes before it: a client goes on where its connection broke, a program reads the directory of a zip first. */

/** With two numbers or four for each page of entries, and 2,000 pages at most, some megabytes. */
const archivesMax = 16

/** Answers a function that gives what is remembered under a name, for one store of metadata: new where nothing is. */
export function createMemory<Known>(create: () => Known): (owner: object, name: string) => Known {
  const byOwner = new WeakMap<object, Map<string, Known>>()
  return (owner, name) => {
    const archives = byOwner.get(owner) ?? new Map<string, Known>()
    byOwner.set(owner, archives)
    const known = archives.get(name) ?? create()
    // A map keeps the order in which names came: the first is that which was not asked for longest.
    archives.delete(name)
    archives.set(name, known)
    const [oldest] = archives.keys()
    if (archives.size > archivesMax) archives.delete(oldest!)
    return known
  }
}
