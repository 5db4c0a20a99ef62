/** The servers that downloads are compared with, run as a separate process: `file PATH` pipes
 *  one file from disk, `fflate DIRECTORY` zips a directory on the fly. Prints its URL once it
 *  listens. */
import { Zip, ZipDeflate } from 'fflate'
import { createReadStream, statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import { relative } from 'node:path'
import { listFiles } from './corpora.ts'

const [mode, path = ''] = process.argv.slice(2)
const server = createServer((_request, response) => {
  if (mode === 'file') sendFile(response, path)
  else sendZip(response, path).catch((error: Error) => response.destroy(error))
})
server.listen(0, '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
})

function sendFile(response: ServerResponse, file: string): void {
  response.setHeader('Content-Length', statSync(file).size)
  createReadStream(file).pipe(response)
}

async function sendZip(response: ServerResponse, directory: string): Promise<void> {
  const zip = new Zip((error, chunk, final) => {
    if (error !== null) response.destroy(error)
    else response.write(chunk)
    if (final) response.end()
  })
  for (const file of await listFiles(directory)) {
    const member = new ZipDeflate(relative(directory, file), { level: 6 })
    zip.add(member)
    member.push(await readFile(file), true)
    if (response.writableNeedDrain) await once(response, 'drain')
  }
  zip.end()
}
