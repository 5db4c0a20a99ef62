/** Key pairs of signers. Making one of RSA takes a tenth of a second, so tests share them. */
import { generateKeyPair } from 'jose'

type KeyPair = Awaited<ReturnType<typeof generateKeyPair>>

const pairs = new Map<string, Promise<KeyPair>>()

/** The same algorithm and name give the same pair. */
export async function keyPair(algorithm: string, name: string): Promise<KeyPair> {
  const id = `${algorithm} ${name}`
  const pair = pairs.get(id) ?? generateKeyPair(algorithm)
  pairs.set(id, pair)
  return await pair
}
