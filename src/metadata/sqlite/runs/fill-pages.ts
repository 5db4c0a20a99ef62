/** Appends to the stored pages of a log or a summary: texts fill the last one before a new one
 *  begins. */
import { limits } from '../../../core/limits.ts'
import { deflateLogPage, inflateLogPage } from '../../log-page.ts'

export interface PageFilling {
  /** Returns the length of the text in bytes. */
  add(text: string): number
  /** Stores the page that is not full yet. */
  close(): void
}

/** `put` stores a page, new or longer than before. */
export function fillPages(
  last: { page: number; textBytes: number; bytes: Buffer } | undefined,
  put: (page: number, textBytes: number, bytes: Buffer) => void,
): PageFilling {
  const fills = last !== undefined && last.textBytes < limits.logPageBytes
  let page = fills ? last.page : (last?.page ?? -1) + 1
  let text = fills ? inflateLogPage(last.bytes) : ''
  let textBytes = fills ? last.textBytes : 0
  const close = (): void => {
    if (textBytes > 0) put(page, textBytes, deflateLogPage(text))
    page += 1
    text = ''
    textBytes = 0
  }
  return {
    add: (added) => {
      const addedBytes = Buffer.byteLength(added)
      text += added
      textBytes += addedBytes
      if (textBytes >= limits.logPageBytes) close()
      return addedBytes
    },
    close,
  }
}
