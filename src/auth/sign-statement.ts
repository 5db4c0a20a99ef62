/** Signs a statement, as a bundle that is streamed while the statement is read. */
import { createSign } from 'node:crypto'
import { bundleMediaType, payloadType, signedPrefix } from '../core/attestation.ts'
import type { AttestationKeys } from './attestation-keys.ts'

/** Size of the pieces that text is gathered into: a multiple of 3, so that each can be encoded
 *  as base64 on its own. */
const pieceBytes = 48 * 1024

/** Calls `readStatement` twice, because the signed bytes begin with the statement's length; both
 *  readings must be equal. Holds one piece in memory. Errors: those of `readStatement`. */
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
  // The artifact's entries can be deleted between the two readings.
  if (readBytes !== payloadBytes) throw new Error('a statement changed while it was signed')
  // No `keyid`: libraries compute key ids in their own ways and skip signatures with another id
  // (go-securesystemslib).
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
