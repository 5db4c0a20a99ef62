/** Caches what is known about the archives read last, so that a range far into one does not require
 *  walking everything before it: clients resume broken downloads, and programs read the directory
 *  of a zip first. */

/** With their marks, some megabytes. */
const archivesMax = 16
const marksMax = 2000

/** Returns a function that finds what is cached under a name for one metadata store, or creates
 *  it. */
export function createArchiveCache<Known>(
  create: () => Known,
): (owner: object, name: string) => Known {
  const byOwner = new WeakMap<object, Map<string, Known>>()
  return (owner, name) => {
    const archives = byOwner.get(owner) ?? new Map<string, Known>()
    byOwner.set(owner, archives)
    const known = archives.get(name) ?? create()
    // Maps keep insertion order, so the first is the least recently used.
    archives.delete(name)
    archives.set(name, known)
    const [oldest] = archives.keys()
    if (archives.size > archivesMax) archives.delete(oldest!)
    return known
  }
}

/** Places where an archive can be resumed, in order; each is at the beginning of a page of
 *  entries. */
export interface Marks<Mark> {
  /** Keeps a mark that is after all others and far enough from the last. */
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
      // The zip of a run can have any number of pages.
      marks = marks.filter((_, index) => index % 2 === 0)
      pagesApart *= 2
    },
    findLast: (isBefore) => marks.findLast(isBefore),
  }
}
