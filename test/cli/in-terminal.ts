/** Runs a program in a terminal of its own (Python's `pty`), and types into it. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

export interface Step {
  /** Text that is waited for, after that of the step before. */
  after: string
  type: string
}

const script = `
import json, os, pty, select, sys
command, steps, environment = json.loads(sys.argv[1])
process, terminal = pty.fork()
if process == 0:
    os.execvpe(command[0], command, environment)
seen, place = b'', 0
def read():
    global seen
    if not select.select([terminal], [], [], 60)[0]:
        sys.stdout.buffer.write(seen)
        sys.exit(99)
    try:
        piece = os.read(terminal, 65536)
    except OSError:
        return False
    seen += piece
    return piece != b''
for step in steps:
    awaited = step['after'].encode()
    while seen.find(awaited, place) < 0:
        if not read(): break
    place = seen.find(awaited, place) + len(awaited)
    typed = step['type'].encode()
    while typed: typed = typed[os.write(terminal, typed[:512]):]
while read(): pass
sys.stdout.buffer.write(seen)
sys.stdout.flush()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
`

/** Answers what the terminal showed, and the exit status; 99 when nothing came for a minute. */
export async function runInTerminal(
  command: string[],
  steps: Step[],
  environment: Record<string, string>,
): Promise<{ status: number; screen: string }> {
  const { PATH = '' } = process.env
  const input = JSON.stringify([command, steps, { PATH, TERM: 'dumb', ...environment }])
  try {
    const { stdout } = await promisify(execFile)('python3', ['-c', script, input])
    return { status: 0, screen: stdout }
  } catch (error) {
    const { code, stdout } = error as { code: number; stdout: string }
    return { status: code, screen: stdout }
  }
}
