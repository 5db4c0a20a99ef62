/** Bounds how many walks through pages of long paths run at a time. A request that lists entries
 *  holds a page of them for as long as its client takes to read: some 100 KB, or 8 MB with paths
 *  and targets of 4 KiB. A hundred slow readers of such an artifact ended the server. */
import { limits } from '../limits.ts'

interface Page {
  entries: readonly { path: string; target?: string }[]
}

let walks = 0
const waiting: (() => void)[] = []

/** Yields the pages that `read` finds, from number `first` on. From the first page with long
 *  paths on, the walk needs one of `limits.heavyWalksMax` places, and waits for it without
 *  holding a page. */
export async function* boundedPages<P extends Page>(
  read: (number: number) => Promise<P | undefined>,
  first: number,
): AsyncGenerator<P, void, undefined> {
  let hasPlace = false
  try {
    for (let number = first; ; number++) {
      let page = await (hasPlace ? read(number) : readUnlessHeavy(read, number))
      if (page === 'heavy') {
        await takePlace()
        hasPlace = true
        page = await read(number)
      }
      if (page === undefined) return
      yield page
    }
  } finally {
    if (hasPlace) passOn()
  }
}

async function readUnlessHeavy<P extends Page>(
  read: (number: number) => Promise<P | undefined>,
  number: number,
): Promise<P | undefined | 'heavy'> {
  const page = await read(number)
  return page !== undefined && charactersOf(page) > limits.heavyPageCharacters ? 'heavy' : page
}

function charactersOf({ entries }: Page): number {
  return entries.reduce((sum, { path, target }) => sum + path.length + (target?.length ?? 0), 0)
}

async function takePlace(): Promise<void> {
  if (walks < limits.heavyWalksMax) walks += 1
  else await new Promise<void>((resolve) => waiting.push(resolve))
}

/** Gives the place to who waits longest. */
function passOn(): void {
  const next = waiting.shift()
  if (next === undefined) walks -= 1
  else next()
}
