/** Ids of headings in a document, by which its links name them as on GitHub. */

/** A document must not take an id that the page around it uses. */
const prefix = 'user-content-'

/** The id of the heading that a fragment means. */
export function idOfFragment(fragment: string): string {
  return prefix + fragment.toLowerCase()
}

/** Returns a function that gives each heading of a document an id: its words with hyphens, without
 *  punctuation, and a number if an earlier one has the same. */
export function createHeadingIds(): (text: string) => string {
  // How often each id was wanted; one that is taken gets the next number.
  const wanted = new Map<string, number>()
  return (text) => {
    const plain = text
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, '')
      .replaceAll(' ', '-')
    let id = plain
    while (wanted.has(id)) {
      const count = wanted.get(plain)! + 1
      wanted.set(plain, count)
      id = `${plain}-${count}`
    }
    wanted.set(id, 0)
    return prefix + id
  }
}
