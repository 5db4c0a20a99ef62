/** What is remembered of the archives that were read last, so that a range that begins far behind need not be preceded by
 *  all that comes before it: a client goes on where its connection broke, a program reads the directory of a zip first. */

/** With the marks of each, some megabytes. */
const archivesMax = 16
const marksMax = 2000

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

/** Where an archive can be gone on with, in order: each at the beginning of a page of entries. */
export interface Marks<Mark> {
  /** Keeps a mark that is behind all others, and far enough from them. */
  note(mark: Mark): void
  findLast(isBefore: (mark: Mark) => boolean): Mark | undefined
}

export function createMarks<Mark extends { page: number }>(): Marks<Mark> {
  let marks: Mark[] = []
  let pagesApart = 1
  return {
    note: (mark) => {
      const last = marks.at(-1)
      if (last !== undefined && mark.page < last.page + pagesApart) return
      marks.push(mark)
      if (marks.length <= marksMax) return
      // All artifacts of a run can have any number of pages.
      marks = marks.filter((_, index) => index % 2 === 0)
      pagesApart *= 2
    },
    findLast: (isBefore) => marks.findLast(isBefore),
  }
}
