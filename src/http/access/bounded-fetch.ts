/** `fetch` for what issuers and providers of identities send. Libraries read their answers whole,
 *  so one without an end, or one that inflates to gigabytes, would end the server. */
import { limits } from '../../core/limits.ts'

/** Returns the response once its body has been received. Errors: those of `fetch`; Error (the body
 *  is too long). */
export async function fetchBounded(
  address: string | URL,
  options?: RequestInit,
): Promise<Response> {
  const answer = await fetch(address, options)
  const { status, statusText, headers, url, body } = answer
  if (body === null) return answer
  const bytes = await readBounded(body, url)
  // Some statuses have no body, not even an empty one.
  const whole = new Response(bytes.length === 0 ? null : bytes, { status, statusText, headers })
  // A response that is constructed has no address, which errors name.
  return Object.defineProperty(whole, 'url', { value: url })
}

async function readBounded(
  body: AsyncIterable<Uint8Array>,
  url: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const { issuerAnswerBytesMax: max } = limits
  const pieces: Uint8Array[] = []
  let length = 0
  // Leaving the loop cancels the body.
  for await (const piece of body) {
    length += piece.length
    if (length > max) throw new Error(`${url} sent more than ${max} bytes`)
    pieces.push(piece)
  }
  return new Uint8Array(Buffer.concat(pieces))
}
