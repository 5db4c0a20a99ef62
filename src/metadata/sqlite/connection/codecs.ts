/** Codecs as the database numbers them. Numbers are never used again for another codec. */
import type { CopyCodec } from '../../../core/copy.ts'

export const codecs: readonly CopyCodec[] = ['joining', 'deflate', 'stored']

export const codecNumber: Record<CopyCodec, number> = { joining: 0, deflate: 1, stored: 2 }
