/** Debian's Firefox, driven through Marionette, the remote protocol that it speaks itself: packets
 *  of JSON over TCP. (Debian has no geckodriver, and playwright-core drives a build of its own.) If
 *  it is missing, the tests that need it report that and are skipped; if TROVE_FIREFOX_REQUIRED is
 *  set, as in CI, they fail. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const firefoxPath = process.env['TROVE_FIREFOX'] ?? '/usr/bin/firefox-esr'

export const hasFirefox = existsSync(firefoxPath)

export function reportMissingFirefox(what: string): void {
  const advice = `${firefoxPath} is missing: apt-get install firefox-esr, or set TROVE_FIREFOX`
  if (process.env['TROVE_FIREFOX_REQUIRED'] !== undefined) throw new Error(advice)
  process.stderr.write(`skipped: ${what} (${advice})\n`)
}

export interface Firefox {
  /** Resolves when the page and its parts are loaded. */
  open(url: string): Promise<void>
  /** Returns the value of an expression in the page. */
  evaluate(expression: string): Promise<unknown>
  /** Waits until the expression is true. */
  until(expression: string): Promise<void>
  click(selector: string): Promise<void>
  /** Types into the element, or gives a file input the path of a file. */
  type(selector: string, text: string): Promise<void>
  /** Errors of pages since the last call, policy violations among them. */
  faults(): Promise<string[]>
  close(): Promise<void>
}

/** No background traffic; `marionette.port` 0: a port of its own, which it writes to a file. */
const preferences = {
  'marionette.port': 0,
  'app.normandy.enabled': false,
  'app.update.disabledForTesting': true,
  'browser.shell.checkDefaultBrowser': false,
  'browser.startup.page': 0,
  'datareporting.policy.dataSubmissionEnabled': false,
  'extensions.update.enabled': false,
  // Light, whatever the desktop prefers.
  'layout.css.prefers-color-scheme.content-override': 1,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  // Its code fails now and then when a page with a password field is left.
  'signon.rememberSignons': false,
  'toolkit.telemetry.server': '',
}

const patienceMs = 30_000

/** An error in the browser's own code, which a page cannot name as its source. */
const isOfBrowser = /\{file: "(?:resource|chrome):\/\//

export async function launchFirefox(): Promise<Firefox> {
  const profile = await mkdtemp(join(tmpdir(), 'trove-firefox-'))
  const lines = Object.entries(preferences).map(
    ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`,
  )
  await writeFile(join(profile, 'user.js'), lines.join(''))
  // System access is for reading the browser's console.
  const args = ['--headless', '--marionette', '--remote-allow-system-access', '--profile', profile]
  const browser = spawn(firefoxPath, args, { stdio: 'ignore' })
  const ended = once(browser, 'exit')
  const close = async (): Promise<void> => {
    browser.kill('SIGKILL')
    await ended
    await rm(profile, { recursive: true, force: true, maxRetries: 5 })
  }
  try {
    const send = speak(await connectTo(profile))
    await send('WebDriver:NewSession', { capabilities: { alwaysMatch: {} } })
    await send('WebDriver:SetWindowRect', { width: 1280, height: 1000 })
    return { ...commandsOf(send), close }
  } catch (error) {
    await close()
    throw error
  }
}

function commandsOf(send: Send): Omit<Firefox, 'close'> {
  /** `system`: with the rights of the browser, in the process that shows the page. */
  const run = async (script: string, sandbox?: 'system'): Promise<unknown> =>
    (await send('WebDriver:ExecuteScript', { script, args: [], sandbox }))['value']
  const find = async (selector: string): Promise<string> => {
    const found = await send('WebDriver:FindElement', { using: 'css selector', value: selector })
    return Object.values(found['value'] as Record<string, string>)[0]!
  }
  const evaluate = async (expression: string): Promise<unknown> =>
    await run(`return (${expression})`)
  return {
    open: async (url) => {
      await send('WebDriver:Navigate', { url })
    },
    evaluate,
    until: async (expression) => {
      const deadline = Date.now() + patienceMs
      // A script fails if the page is left meanwhile.
      while ((await evaluate(expression).catch(() => false)) !== true) {
        if (Date.now() > deadline) throw new Error(`never true: ${expression}`)
        await sleep(20)
      }
    },
    click: async (selector) => {
      await send('WebDriver:ElementClick', { id: await find(selector) })
    },
    type: async (selector, text) => {
      await send('WebDriver:ElementSendKeys', { id: await find(selector), text })
    },
    faults: async () => {
      const script = `const all = Services.console.getMessageArray().map(String)
        Services.console.reset()
        return all.filter((message) => message.startsWith('[JavaScript Error'))`
      const errors = (await run(script, 'system')) as string[]
      return errors.filter((error) => !isOfBrowser.test(error))
    },
  }
}

/** Connects as soon as the browser has written its port. */
async function connectTo(profile: string): Promise<Socket> {
  const deadline = Date.now() + patienceMs * 2
  for (;;) {
    const port = await readFile(join(profile, 'MarionetteActivePort'), 'utf8').catch(() => '')
    if (/^\d+$/.test(port)) {
      const socket = connect(Number(port), '127.0.0.1')
      await once(socket, 'connect')
      return socket
    }
    if (Date.now() > deadline) throw new Error(`${firefoxPath} did not start`)
    await sleep(50)
  }
}

type Reply = Record<string, unknown>
type Send = (name: string, parameters: object) => Promise<Reply>

/** Sends commands: `LENGTH:[0,id,name,parameters]`, answered by `LENGTH:[1,id,error,result]`. */
function speak(socket: Socket): Send {
  const waiting = new Map<number, (reply: [unknown, Reply]) => void>()
  let lastId = 0
  let received = Buffer.alloc(0)
  socket.on('data', (piece) => {
    received = Buffer.concat([received, piece])
    for (;;) {
      const [head, digits] = /^(\d+):/.exec(received.toString('latin1', 0, 20)) ?? []
      if (head === undefined || received.length < head.length + Number(digits)) return
      const end = head.length + Number(digits)
      const packet: unknown = JSON.parse(received.toString('utf8', head.length, end))
      received = received.subarray(end)
      // The first packet introduces the browser and is no array.
      if (Array.isArray(packet)) waiting.get(packet[1])?.([packet[2], packet[3]])
    }
  })
  socket.on('error', () => undefined)
  socket.on('close', () => {
    for (const answer of waiting.values()) answer(['the browser has ended', {}])
  })
  return async (name, parameters) => {
    const id = ++lastId
    const packet = JSON.stringify([0, id, name, parameters])
    const [error, reply] = await new Promise<[unknown, Reply]>((resolve) => {
      waiting.set(id, resolve)
      socket.write(`${Buffer.byteLength(packet)}:${packet}`)
    })
    waiting.delete(id)
    if (error !== null) throw new Error(`${name}: ${JSON.stringify(error)}`)
    return reply
  }
}
