/** How deeply a JSON text is nested. Some of what reads parsed values calls itself for each level,
 *  and a mebibyte of nothing but brackets takes `JSON.parse` a sixth of a second. */

/** Our messages have up to five levels. */
export const nestingMax = 100

const quote = 0x22
const backslash = 0x5c
const [openBracket, closeBracket] = [0x5b, 0x5d]
const [openBrace, closeBrace] = [0x7b, 0x7d]

/** Whether arrays and objects are nested deeper than that. Of text that is not valid JSON the
 *  result means nothing. */
export function nestsTooDeep(json: Uint8Array): boolean {
  let depth = 0
  let isText = false
  for (let at = 0; at < json.length; at++) {
    const byte = json[at]
    if (byte === quote) isText = !isText
    else if (isText) at += byte === backslash ? 1 : 0
    else if (byte === openBracket || byte === openBrace) depth += 1
    else if (byte === closeBracket || byte === closeBrace) depth -= 1
    if (depth > nestingMax) return true
  }
  return false
}
