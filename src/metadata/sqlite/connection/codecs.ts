/** Codec numbers in the database. A number is never reused for another codec. */
import type { CopyCodec } from '../../../core/bytes/copy.ts'

export const codecs: readonly CopyCodec[] = ['joining', 'deflate', 'stored']

export const codecNumber: Record<CopyCodec, number> = { joining: 0, deflate: 1, stored: 2 }
