/** A statement, signed, as a bundle that is written while the statement is read. */
import { createSign } from 'node:crypto'
import { bundleMediaType, payloadType, signedPrefix } from '../core/attestation.ts'
import type { AttestationKeys } from './attestation-keys.ts'

/** Text is gathered into pieces of this many bytes: whole groups of base64, so that they can be encoded one by one. */
const pieceBytes = 48 * 1024

/** Calls `readStatement` twice, since the length of what is signed is signed before it; it must say the same both times.
 *  Holds a piece. Errors: those of `readStatement`. */
export async function* signStatement(
  { id, privateKey }: AttestationKeys,
  readStatement: () => AsyncIterable<string>,
): AsyncGenerator<Uint8Array, void, undefined> {
  let payloadBytes = 0
  for await (const text of readStatement()) payloadBytes += Buffer.byteLength(text)
  const signer = createSign('sha256').update(signedPrefix(payloadBytes))
  const material = { publicKey: { hint: id }, tlogEntries: [], timestampVerificationData: {} }
  yield Buffer.from(
    `{"mediaType":"${bundleMediaType}","verificationMaterial":${JSON.stringify(material)},` +
      `"dsseEnvelope":{"payloadType":"${payloadType}","payload":"`,
  )
  let readBytes = 0
  for await (const piece of piecesOf(readStatement())) {
    readBytes += piece.length
    signer.update(piece)
    yield Buffer.from(piece.toString('base64'))
  }
  // Its entries went away meanwhile, as those of what is deleted do.
  if (readBytes !== payloadBytes) throw new Error('a statement changed while it was signed')
  // Without a `keyid`: libraries have ids of their own for keys, and pass over signatures with another (go-securesystemslib).
  const signatures = [{ sig: signer.sign(privateKey, 'base64') }]
  yield Buffer.from(`","signatures":${JSON.stringify(signatures)}}}\n`)
}

async function* piecesOf(texts: AsyncIterable<string>): AsyncGenerator<Buffer> {
  let pending = Buffer.alloc(0)
  let text = ''
  for await (const next of texts) {
    text += next
    if (text.length < pieceBytes) continue
    pending = Buffer.concat([pending, Buffer.from(text)])
    text = ''
    const whole = pending.length - (pending.length % pieceBytes)
    yield pending.subarray(0, whole)
    pending = pending.subarray(whole)
  }
  yield Buffer.concat([pending, Buffer.from(text)])
}
