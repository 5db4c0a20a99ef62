/** curl as the client of every HTTP measurement: a separate program, so that our event loop is not
 *  part of the timing. */
import { runProgram, type Sample } from './measure.ts'

/** Downloads and discards the body. Measures seconds to the first byte, total seconds, and
 *  bytes. */
export async function download(url: string, headers: string[] = []): Promise<Sample> {
  const figures = '%{time_starttransfer} %{time_total} %{size_download}'
  const { stdout } = await curl(['-o', '/dev/null', '-w', figures, ...asFlags(headers), url])
  const [firstByteSeconds = NaN, seconds = NaN, bytes = NaN] = stdout.split(' ').map(Number)
  return { firstByteSeconds, seconds, bytes }
}

/** Sends a file. Returns the seconds until the response is complete. */
export async function upload(file: string, url: string, headers: string[]): Promise<number> {
  const figures = ['-o', '/dev/null', '-w', '%{time_total}']
  return Number((await curl(['-T', file, ...figures, ...asFlags(headers), url])).stdout)
}

export async function save(url: string, file: string, headers: string[]): Promise<void> {
  await curl(['-o', file, ...asFlags(headers), url])
}

async function curl(args: string[]): Promise<{ stdout: string }> {
  return await runProgram('curl', ['-sS', '--fail-with-body', '--noproxy', '*', ...args])
}

function asFlags(headers: string[]): string[] {
  return headers.flatMap((header) => ['-H', header])
}
