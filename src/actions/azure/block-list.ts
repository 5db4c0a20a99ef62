/** Parses the body of Put Block List, an XML document of one shape; no other XML is understood. */
import { invalidRequest, storeError, tooLarge } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { nextTurn } from '../../core/turn.ts'

/** Items that are parsed in one turn of the event loop: about two milliseconds. */
const itemsPerTurn = 4096

// Sticky, so that no text between two elements is skipped.
const opening = /\uFEFF?\s*(?:<\?xml[^<>]*\?>\s*)?<BlockList(?:>|\s*(\/)>)/y
const item = /\s*<(Latest|Uncommitted|Committed)>\s*([A-Za-z0-9+/=]{1,128})\s*<\/\1>\s*/y
const ending = /\s*<\/BlockList>\s*$/y
const blanks = /\s*$/y

/** Returns the block ids in the order of the bytes. Errors: invalid_request, too_large,
 *  unknown_block (a `<Committed>` block: blobs are committed only once here, so there is none). */
export async function parseBlockList(xml: string): Promise<string[]> {
  const begin = matchAt(opening, xml, 0)
  if (begin === null) throw malformed('it must be one <BlockList> element')
  const blockIds: string[] = []
  const [{ length: first }, isEmpty] = begin
  let at = first
  for (;;) {
    const match = isEmpty === undefined ? matchAt(item, xml, at) : null
    if (match === null) break
    const [{ length }, kind, blockId] = match as unknown as [string, string, string]
    if (kind === 'Committed') {
      throw storeError('unknown_block', `block ${blockId} of the list is not committed`, {
        blockId,
      })
    }
    at += length
    blockIds.push(blockId)
    if (blockIds.length > limits.blocksMax) throw tooLong()
    if (blockIds.length % itemsPerTurn === 0) await nextTurn()
  }
  if (matchAt(isEmpty === undefined ? ending : blanks, xml, at) === null)
    throw malformed(`unexpected content at character ${at}`)
  return blockIds
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at
  return pattern.exec(text)
}

function malformed(reason: string): Error {
  return invalidRequest('BlockList', `malformed block list: ${reason}`)
}

function tooLong(): Error {
  const limitValue = limits.blocksMax
  const reason = `a block list can have at most ${limitValue} blocks`
  return tooLarge('blocks of a block list', limitValue, reason)
}
