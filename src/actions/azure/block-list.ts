/** Parses the body of Put Block List, an XML document of one shape; no other XML is understood. */
import { invalidRequest, storeError, tooLarge } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'

/** Returns the block ids in the order of the bytes. Errors: invalid_request, too_large,
 *  unknown_block (a `<Committed>` block: blobs are committed only once here, so there is none). */
export function parseBlockList(xml: string): string[] {
  const root =
    /^\uFEFF?\s*(?:<\?xml[^<>]*\?>\s*)?(?:<BlockList\s*\/>|<BlockList>([^]*)<\/BlockList>)\s*$/.exec(
      xml,
    )
  if (root === null) throw malformed('it must be one <BlockList> element')
  return parseItems(root[1] ?? '')
}

function parseItems(content: string): string[] {
  const blockIds: string[] = []
  // Sticky, so that no text between two elements is skipped.
  const item = /\s*<(Latest|Uncommitted|Committed)>\s*([A-Za-z0-9+/=]{1,128})\s*<\/\1>\s*/y
  while (item.lastIndex < content.length) {
    const start = item.lastIndex
    const match = item.exec(content)
    if (match === null) {
      if (content.slice(start).trim() === '') break
      throw malformed(`unexpected content at character ${start} of the list`)
    }
    const [, kind, blockId] = match as unknown as [string, string, string]
    if (kind === 'Committed') {
      throw storeError('unknown_block', `block ${blockId} of the list is not committed`, {
        blockId,
      })
    }
    blockIds.push(blockId)
    if (blockIds.length > limits.blocksMax) throw tooLong()
  }
  return blockIds
}

function malformed(reason: string): Error {
  return invalidRequest('BlockList', `malformed block list: ${reason}`)
}

function tooLong(): Error {
  const limitValue = limits.blocksMax
  const reason = `a block list can have at most ${limitValue} blocks`
  return tooLarge('blocks of a block list', limitValue, reason)
}
