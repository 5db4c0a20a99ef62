/** Members of tars as bytes, also such as no program writes. */

export interface Member {
  name: string
  type?: string
  content?: string
  linkName?: string
  /** Whole fields, in place of what would be written there. */
  size?: string
  mode?: string
  time?: string
  /** In front of the name. */
  prefix?: string
  magic?: string
}

export function memberOf(member: Member): Buffer {
  const { name, type = '0', content = '', linkName = '', prefix = '' } = member
  const header = Buffer.alloc(512)
  const field = (text: string, at: number): number => header.write(text, at, 'latin1')
  field(name, 0)
  field(member.mode ?? '0000644\0', 100)
  field('0000000\u00000000000\0', 108)
  field(member.size ?? `${content.length.toString(8).padStart(11, '0')}\0`, 124)
  field(member.time ?? '00000000000\0', 136)
  field(type, 156)
  field(linkName, 157)
  field(member.magic ?? 'ustar\u000000', 257)
  field(prefix, 345)
  field(' '.repeat(8), 148)
  const sum = header.reduce((total, byte) => total + byte)
  field(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  const padding = Buffer.alloc((512 - (content.length % 512)) % 512)
  return Buffer.concat([header, Buffer.from(content, 'latin1'), padding])
}

/** An extended header: `x` for the next entry, `g` for all. */
export function pax(record: string, type = 'x'): Member {
  const { length } = ` ${record}\n`
  const digits = String(length + String(length + 8).length).length
  return { name: 'pax', type, content: `${length + digits} ${record}\n` }
}

/** The zeros that end a tar. */
export const tarEnd: Buffer = Buffer.alloc(1024)
