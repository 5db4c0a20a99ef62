/** Bounds on the shape of a JSON text. Some of what reads parsed values calls itself for each
 *  level, and `JSON.parse` takes a sixth of a second for a mebibyte of nothing but brackets, or of
 *  fields with different names. */
import { tooLarge } from '../../core/errors.ts'

/** Our messages have up to five levels. */
const nestingMax = 100

/** The largest message is a batch of `limits.runEventsMax` annotations with twelve fields each. */
const fieldsMax = 16_384

const quote = 0x22
const backslash = 0x5c
const colon = 0x3a
const [openBracket, closeBracket] = [0x5b, 0x5d]
const [openBrace, closeBrace] = [0x7b, 0x7d]

/** Of text that is not valid JSON the result means nothing. Errors: too_large. */
export function requireSmallShape(json: Uint8Array): void {
  let depth = 0
  let fields = 0
  let isText = false
  for (let at = 0; at < json.length; at++) {
    const byte = json[at]
    if (byte === quote) isText = !isText
    else if (isText) at += byte === backslash ? 1 : 0
    else if (byte === colon) fields += 1
    else if (byte === openBracket || byte === openBrace) depth += 1
    else if (byte === closeBracket || byte === closeBrace) depth -= 1
    if (depth > nestingMax) {
      const message = `a JSON body must be nested at most ${nestingMax} levels deep`
      throw tooLarge('levels of a JSON body', nestingMax, message)
    }
    if (fields > fieldsMax) {
      const message = `a JSON body must have at most ${fieldsMax} fields`
      throw tooLarge('fields of a JSON body', fieldsMax, message)
    }
  }
}
