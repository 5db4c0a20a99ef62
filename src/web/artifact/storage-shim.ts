/** Reports that keep settings in `localStorage` (Playwright's does) fail at their first line
 *  where a document has no storage of its own: in the opaque origin of a shared content host,
 *  and in frames whose storage the browser blocks. The shim gives them storage in memory. It is
 *  a script that runs before all others of the document, and does nothing where storage works. */
import { digestOf } from '../../core/bytes/digest.ts'
import type { Representation } from '../../egress/representation.ts'

/** It also replaces `document.cookie`, since reading that throws in an opaque origin. */
const shim = Buffer.from(
  '<script>(()=>{const make=()=>{const kept=new Map;return{getItem:k=>kept.get(String(k))??null,' +
    'setItem:(k,v)=>{kept.set(String(k),String(v))},removeItem:k=>{kept.delete(String(k))},' +
    'clear:()=>{kept.clear()},key:n=>[...kept.keys()][n]??null,get length(){return kept.size}}};' +
    "for(const name of['localStorage','sessionStorage'])try{window[name]}catch{" +
    'Object.defineProperty(window,name,{value:make()})}' +
    "try{document.cookie}catch{Object.defineProperty(document,'cookie',{value:'',writable:true})}" +
    '})()</script>',
)
const version = digestOf(shim).slice(0, 8)

/** The head of a document is searched for within this many of its first bytes. */
const headBytesMax = 4096

/** Returns the document with the script inserted in its head. Errors: those of reading it. */
export async function withStorageShim(document: Representation): Promise<Representation> {
  await document.verifyReadable()
  const pieces: Buffer[] = []
  for await (const piece of document.read(0, Math.min(headBytesMax, document.totalBytes)))
    pieces.push(piece)
  const at = headStart(Buffer.concat(pieces))
  if (at === undefined) return document
  return {
    ...document,
    totalBytes: document.totalBytes + shim.length,
    etag: document.etag.replace(/"$/, `-${version}"`),
    digest: null,
    read: (start, end, signal) => readWith(document, at, { start, end, signal }),
  }
}

/** Returns the offset after `<head>`, or after the doctype, which must stay first; undefined for
 *  encodings that are not ASCII-compatible. */
function headStart(bytes: Buffer): number | undefined {
  if (/^(?:\u00fe\u00ff|\u00ff\u00fe)/.test(bytes.toString('latin1', 0, 2))) return undefined
  const text = bytes.toString('latin1')
  const head = /<head(?:\s[^>]*)?>/i.exec(text)
  if (head !== null) return head.index + head[0].length
  const [before] = /^(?:\u00ef\u00bb\u00bf)?\s*(?:<!doctype[^>]*>)?/i.exec(text) ?? ['']
  return before.length
}

async function* readWith(
  document: Representation,
  at: number,
  { start, end, signal }: { start: number; end: number; signal: AbortSignal | undefined },
): AsyncGenerator<Buffer> {
  const after = at + shim.length
  if (start < at) yield* document.read(start, Math.min(end, at), signal)
  if (start < after && end > at) yield shim.subarray(Math.max(0, start - at), end - at)
  if (end > after)
    yield* document.read(Math.max(start, after) - shim.length, end - shim.length, signal)
}
